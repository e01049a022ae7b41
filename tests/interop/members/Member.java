// A group member on Apache Kafka's Java consumer of whatever version is on the class path, from 2.8 up; the contract is in
// README.md beside this file. `java -cp JARS Member.java OPTIONS`.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

public class Member {
    static final Map<String, String> OPTIONS = new HashMap<>();
    static final Map<String, String> ASSIGNORS = Map.of("range", "RangeAssignor", "roundrobin", "RoundRobinAssignor",
        "sticky", "StickyAssignor", "cooperative-sticky", "CooperativeStickyAssignor");
    static volatile boolean stopped;
    static final TreeMap<Integer, Long> next = new TreeMap<>();
    static KafkaConsumer<String, String> consumer;

    static void say(String kind, String rest) {
        long now = ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
        synchronized (System.out) {
            System.out.println(now + " " + kind + (rest.isEmpty() ? "" : " " + rest));
            System.out.flush();
        }
    }

    static void sayPartitions(String kind, Collection<TopicPartition> partitions) {
        if (!partitions.isEmpty()) {
            say(kind, partitions.stream().map(TopicPartition::partition).sorted().map(String::valueOf)
                .collect(Collectors.joining(" ")));
        }
    }

    static void commit(Collection<TopicPartition> only) {
        Map<TopicPartition, OffsetAndMetadata> wanted = new HashMap<>();
        for (Map.Entry<Integer, Long> position : next.entrySet()) {
            TopicPartition partition = new TopicPartition(OPTIONS.get("topic"), position.getKey());
            if (only == null || only.contains(partition)) {
                wanted.put(partition, new OffsetAndMetadata(position.getValue(), OPTIONS.getOrDefault("metadata", "")));
            }
        }
        if (wanted.isEmpty()) {
            return;
        }
        try {
            consumer.commitSync(wanted, Duration.ofSeconds(10));
            say("C", wanted.entrySet().stream().map(e -> e.getKey().partition() + ":" + e.getValue().offset())
                .collect(Collectors.joining(" ")));
            wanted.keySet().forEach(partition -> next.remove(partition.partition()));
        } catch (KafkaException error) {
            say("!", "commit: " + oneLine(error));
        }
    }

    static void forget(Collection<TopicPartition> partitions) {
        partitions.forEach(partition -> next.remove(partition.partition()));
        sayPartitions("-", partitions);
    }

    static String oneLine(Exception error) {
        return error.toString().replace('\n', ' ');
    }

    public static void main(String[] arguments) throws Exception {
        // flat JSON of strings and numbers: no library for it is on the class path
        Matcher fields = Pattern.compile("\"(\\w+)\": ?(?:\"([^\"]*)\"|(\\d+))").matcher(arguments[0]);
        while (fields.find()) {
            OPTIONS.put(fields.group(1), fields.group(2) != null ? fields.group(2) : fields.group(3));
        }
        Thread input = new Thread(() -> {
            try (BufferedReader lines = new BufferedReader(new InputStreamReader(System.in))) {
                String line = lines.readLine();
                while (line != null && !line.trim().equals("stop")) {
                    line = lines.readLine();
                }
            } catch (java.io.IOException ended) {
                // as the end of the input
            }
            stopped = true;
        });
        input.setDaemon(true);
        input.start();

        Properties settings = new Properties();
        settings.put("bootstrap.servers", OPTIONS.get("bootstrap"));
        settings.put("group.id", OPTIONS.get("group"));
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.put("fetch.max.wait.ms", "100");
        settings.put("reconnect.backoff.max.ms", "1000");
        settings.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        settings.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        if (OPTIONS.containsKey("instance")) {
            settings.put("group.instance.id", OPTIONS.get("instance"));
        }
        if (OPTIONS.get("protocol").equals("consumer")) {
            settings.put("group.protocol", "consumer");
            if (OPTIONS.containsKey("assignor")) {
                settings.put("group.remote.assignor", OPTIONS.get("assignor"));
            }
        } else {
            int session = Integer.parseInt(OPTIONS.get("session"));
            settings.put("session.timeout.ms", String.valueOf(session));
            settings.put("heartbeat.interval.ms", String.valueOf(session / 4));
            if (OPTIONS.containsKey("assignor")) {
                settings.put("partition.assignment.strategy",
                    "org.apache.kafka.clients.consumer." + ASSIGNORS.get(OPTIONS.get("assignor")));
            }
        }
        consumer = new KafkaConsumer<>(settings);
        consumer.subscribe(Collections.singletonList(OPTIONS.get("topic")), new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> gained) {
                sayPartitions("+", gained);
            }

            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
                commit(revoked);
                forget(revoked);
            }

            @Override
            public void onPartitionsLost(Collection<TopicPartition> lost) {
                forget(lost);
            }
        });
        long every = Long.parseLong(OPTIONS.getOrDefault("commit", "200"));
        long last = System.currentTimeMillis();
        while (!stopped) {
            try {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                    say("R", record.partition() + " " + record.offset() + " " + record.value());
                    next.put(record.partition(), record.offset() + 1);
                }
            } catch (KafkaException error) {
                say("!", "poll: " + oneLine(error));
            }
            if (System.currentTimeMillis() - last >= every) {
                commit(null);
                last = System.currentTimeMillis();
            }
        }
        commit(null);
        consumer.close();
        say(".", "");
    }
}
