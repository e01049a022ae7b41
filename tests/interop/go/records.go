package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	ibm "github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

type record struct {
	Key, Value string
	Headers    []string // name=value, in order
	Time       int64
}

// library writes records to partition 0 of a topic with a codec, and reads that partition to its end.
type library struct {
	name  string
	write func(ctx context.Context, bootstrap, topic, codec string, records []record) error
	read  func(ctx context.Context, bootstrap, topic string, count int) ([]record, error)
}

var libraries = []library{
	{"franz-go", franzWrite, franzRead}, {"sarama", saramaWrite, saramaRead}, {"kafka-go", kafkaGoWrite, kafkaGoRead},
}

func sample(writer, codec string) []record {
	records := make([]record, 100)
	for i := range records {
		records[i] = record{Key: fmt.Sprintf("key-%d", i), Value: fmt.Sprintf("%s %s %d %s", writer, codec, i, strings.Repeat("\u00e4", i)),
			Headers: []string{"h=1", "h=2", fmt.Sprintf("n=%d", i)}, Time: 1_760_000_000_000 + int64(i)}
	}
	return records
}

func report(name string, run func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	detail := ""
	if err := run(ctx); err != nil {
		detail = err.Error()
	}
	line, _ := json.Marshal(struct {
		Case   string `json:"case"`
		OK     bool   `json:"ok"`
		Detail string `json:"detail"`
	}{name, detail == "", detail})
	fmt.Println(string(line))
}

// records runs the cases: every codec of every library, read by every library, and a little administration. `served` names
// the protocols of groups that the broker advertises.
func records(bootstrap string, served []string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		panic(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	// all at first: kafka-go asks for the topics every few seconds only
	for _, writer := range libraries {
		for _, codec := range codecs {
			if _, err := admin.CreateTopic(context.Background(), 1, 1, nil, fmt.Sprintf("go-%s-%s", writer.name, codec)); err != nil {
				panic(err)
			}
		}
	}
	for _, writer := range libraries {
		for _, codec := range codecs {
			topic := fmt.Sprintf("go-%s-%s", writer.name, codec)
			wanted := sample(writer.name, codec)
			report(fmt.Sprintf("%s writes %s, all read", writer.name, codec), func(ctx context.Context) error {
				if err := writer.write(ctx, bootstrap, topic, codec, wanted); err != nil {
					return fmt.Errorf("write: %w", err)
				}
				for _, reader := range libraries {
					got, err := reader.read(ctx, bootstrap, topic, len(wanted))
					if err != nil {
						return fmt.Errorf("read by %s: %w", reader.name, err)
					}
					for i := range wanted {
						if !reflect.DeepEqual(got[i], wanted[i]) {
							return fmt.Errorf("read by %s: record %d is %.200v, wanted %.200v", reader.name, i, got[i], wanted[i])
						}
					}
				}
				return nil
			})
		}
	}
	report("sarama administers topics", func(context.Context) error { return saramaAdmin(bootstrap) })
	if slices.Contains(served, "classic") {
		report("kadm lists offsets and groups", func(ctx context.Context) error { return franzAdmin(ctx, admin) })
	} else {
		fmt.Println(`{"case": "kadm lists offsets and groups", "waits": "classic groups"}`)
	}
	report("kafka-go administers topics and offsets", func(ctx context.Context) error { return kafkaGoAdmin(ctx, bootstrap) })
	os.Stdout.Sync()
}

func franzWrite(ctx context.Context, bootstrap, topic, codec string, records []record) error {
	kinds := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ProducerBatchCompression(kinds[codec]), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	var all []*kgo.Record
	for _, r := range records {
		made := &kgo.Record{Key: []byte(r.Key), Value: []byte(r.Value), Timestamp: time.UnixMilli(r.Time)}
		for _, h := range r.Headers {
			name, value, _ := strings.Cut(h, "=")
			made.Headers = append(made.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
		}
		all = append(all, made)
	}
	return client.ProduceSync(ctx, all...).FirstErr()
}

func franzRead(ctx context.Context, bootstrap, topic string, count int) ([]record, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var got []record
	for len(got) < count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			made := record{Key: string(r.Key), Value: string(r.Value), Time: r.Timestamp.UnixMilli()}
			for _, h := range r.Headers {
				made.Headers = append(made.Headers, h.Key+"="+string(h.Value))
			}
			got = append(got, made)
		})
	}
	return got, nil
}

func saramaWrite(_ context.Context, bootstrap, topic, codec string, records []record) error {
	kinds := map[string]ibm.CompressionCodec{"none": ibm.CompressionNone, "gzip": ibm.CompressionGZIP, "snappy": ibm.CompressionSnappy,
		"lz4": ibm.CompressionLZ4, "zstd": ibm.CompressionZSTD}
	config := saramaConfig()
	config.Producer.Compression = kinds[codec]
	config.Producer.RequiredAcks = ibm.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Partitioner = ibm.NewManualPartitioner
	producer, err := ibm.NewSyncProducer([]string{bootstrap}, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	var all []*ibm.ProducerMessage
	for _, r := range records {
		made := &ibm.ProducerMessage{Topic: topic, Key: ibm.StringEncoder(r.Key), Value: ibm.StringEncoder(r.Value), Timestamp: time.UnixMilli(r.Time)}
		for _, h := range r.Headers {
			name, value, _ := strings.Cut(h, "=")
			made.Headers = append(made.Headers, ibm.RecordHeader{Key: []byte(name), Value: []byte(value)})
		}
		all = append(all, made)
	}
	return producer.SendMessages(all)
}

func saramaRead(ctx context.Context, bootstrap, topic string, count int) ([]record, error) {
	consumer, err := ibm.NewConsumer([]string{bootstrap}, saramaConfig())
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, ibm.OffsetOldest)
	if err != nil {
		return nil, err
	}
	defer partition.Close()
	var got []record
	for len(got) < count {
		select {
		case m := <-partition.Messages():
			made := record{Key: string(m.Key), Value: string(m.Value), Time: m.Timestamp.UnixMilli()}
			for _, h := range m.Headers {
				made.Headers = append(made.Headers, string(h.Key)+"="+string(h.Value))
			}
			got = append(got, made)
		case <-ctx.Done():
			return nil, fmt.Errorf("%d records: %w", len(got), ctx.Err())
		}
	}
	return got, nil
}

func saramaAdmin(bootstrap string) error {
	admin, err := ibm.NewClusterAdmin([]string{bootstrap}, saramaConfig())
	if err != nil {
		return err
	}
	defer admin.Close()
	if err := admin.CreateTopic("go-by-sarama", &ibm.TopicDetail{NumPartitions: 2, ReplicationFactor: 1}, false); err != nil {
		return err
	}
	if err := admin.CreatePartitions("go-by-sarama", 4, nil, false); err != nil {
		return err
	}
	// on Kafka the metadata follows a moment later
	for try := 0; ; try++ {
		described, err := admin.DescribeTopics([]string{"go-by-sarama"})
		if err != nil {
			return err
		}
		if len(described[0].Partitions) == 4 {
			break
		}
		if try == 50 {
			return fmt.Errorf("%d partitions", len(described[0].Partitions))
		}
		time.Sleep(100 * time.Millisecond)
	}
	entries, err := admin.DescribeConfig(ibm.ConfigResource{Type: ibm.TopicResource, Name: "go-by-sarama", ConfigNames: []string{"cleanup.policy"}})
	if err != nil {
		return err
	}
	if len(entries) != 1 || entries[0].Value != "delete" {
		return fmt.Errorf("configs %v", entries)
	}
	return admin.DeleteTopic("go-by-sarama")
}

func franzAdmin(ctx context.Context, admin *kadm.Client) error {
	ends, err := admin.ListEndOffsets(ctx, "go-franz-go-none")
	if err != nil {
		return err
	}
	if end, found := ends.Lookup("go-franz-go-none", 0); !found || end.Offset != 100 {
		return fmt.Errorf("end %v", end)
	}
	offsets := kadm.Offsets{}
	offsets.AddOffset("go-franz-go-none", 0, 40, -1)
	if err := admin.CommitAllOffsets(ctx, "go-kadm", offsets); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	fetched, err := admin.FetchOffsets(ctx, "go-kadm")
	if err != nil {
		return err
	}
	if at, found := fetched.Lookup("go-franz-go-none", 0); !found || at.At != 40 {
		return fmt.Errorf("committed %v", at)
	}
	lags, err := admin.Lag(ctx, "go-kadm")
	if err != nil {
		return err
	}
	if lag := lags["go-kadm"]; lag.Lag.Total() != 60 || lag.State != "Empty" {
		return fmt.Errorf("lag %d, state %s", lag.Lag.Total(), lag.State)
	}
	groups, err := admin.ListGroups(ctx)
	if err != nil {
		return err
	}
	if _, found := groups["go-kadm"]; !found {
		return fmt.Errorf("groups %v", groups.Groups())
	}
	_, err = admin.DeleteGroup(ctx, "go-kadm")
	return err
}

func kafkaGoWrite(ctx context.Context, bootstrap, topic, codec string, records []record) error {
	kinds := map[string]kafka.Compression{"none": kafka.Compression(compress.None), "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4,
		"zstd": kafka.Zstd}
	writer := &kafka.Writer{Addr: kafka.TCP(bootstrap), Topic: topic, Compression: kinds[codec], RequiredAcks: kafka.RequireAll,
		BatchTimeout: 10 * time.Millisecond}
	defer writer.Close()
	var all []kafka.Message
	for _, r := range records {
		made := kafka.Message{Key: []byte(r.Key), Value: []byte(r.Value), Time: time.UnixMilli(r.Time)}
		for _, h := range r.Headers {
			name, value, _ := strings.Cut(h, "=")
			made.Headers = append(made.Headers, kafka.Header{Key: name, Value: []byte(value)})
		}
		all = append(all, made)
	}
	return writer.WriteMessages(ctx, all...)
}

func kafkaGoRead(ctx context.Context, bootstrap, topic string, count int) ([]record, error) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{bootstrap}, Topic: topic, Partition: 0, MaxWait: 100 * time.Millisecond})
	defer reader.Close()
	var got []record
	for len(got) < count {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			return nil, err
		}
		made := record{Key: string(m.Key), Value: string(m.Value), Time: m.Time.UnixMilli()}
		for _, h := range m.Headers {
			made.Headers = append(made.Headers, h.Key+"="+string(h.Value))
		}
		got = append(got, made)
	}
	return got, nil
}

func kafkaGoAdmin(ctx context.Context, bootstrap string) error {
	client := &kafka.Client{Addr: kafka.TCP(bootstrap), Timeout: 20 * time.Second}
	made, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: "go-by-kafka-go", NumPartitions: 1, ReplicationFactor: 1}}})
	if err != nil {
		return err
	}
	if err := made.Errors["go-by-kafka-go"]; err != nil {
		return err
	}
	offsets, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		"go-kafka-go-none": {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)}}})
	if err != nil {
		return err
	}
	if found := offsets.Topics["go-kafka-go-none"][0]; found.FirstOffset != 0 || found.LastOffset != 100 {
		return fmt.Errorf("offsets %+v", found)
	}
	deleted, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{"go-by-kafka-go"}})
	if err != nil {
		return err
	}
	return deleted.Errors["go-by-kafka-go"]
}
