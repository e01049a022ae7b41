import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.*;
import org.apache.kafka.common.*;
import java.nio.ByteBuffer;

/** Random groups through the assignors of kafka-clients; one JSON object a line. */
public class Vectors {
  static Random random = new Random(4317);

  static String parts(List<TopicPartition> list) {
    List<String> out = new ArrayList<>();
    for (TopicPartition tp : list) out.add("[\"" + tp.topic() + "\"," + tp.partition() + "]");
    Collections.sort(out);
    return "[" + String.join(",", out) + "]";
  }

  static Cluster cluster(Map<String, Integer> topics, int racks) {
    List<Node> nodes = new ArrayList<>();
    for (int i = 0; i < Math.max(1, racks); i++) nodes.add(new Node(i, "h", 9092, racks == 0 ? null : "rack" + i));
    List<PartitionInfo> infos = new ArrayList<>();
    for (var e : topics.entrySet()) for (int p = 0; p < e.getValue(); p++) {
      Node node = nodes.get(p % nodes.size());
      infos.add(new PartitionInfo(e.getKey(), p, node, new Node[] {node}, new Node[] {node}));
    }
    return new Cluster("c", nodes, infos, Set.of(), Set.of());
  }

  static class M { String id; String instance; List<String> topics; List<TopicPartition> owned = new ArrayList<>(); int generation = -1; String rack; }

  static void emit(String name, int round, Map<String,Integer> topics, int racks, List<M> members) {
    ConsumerPartitionAssignor assignor = switch (name) {
      case "range" -> new RangeAssignor();
      case "roundrobin" -> new RoundRobinAssignor();
      case "sticky" -> new StickyAssignor();
      default -> new CooperativeStickyAssignor();
    };
    Map<String, Subscription> subs = new HashMap<>();
    List<String> told = new ArrayList<>();
    for (M m : members) {
      ByteBuffer user = null;
      if (name.equals("sticky") && m.generation >= 0) {
        StickyAssignor s = new StickyAssignor();
        s.onAssignment(new Assignment(m.owned), new ConsumerGroupMetadata("g", m.generation, m.id, Optional.empty()));
        user = s.subscriptionUserData(new HashSet<>(m.topics));
      }
      if (name.equals("cooperative-sticky")) {
        CooperativeStickyAssignor s = new CooperativeStickyAssignor();
        s.onAssignment(new Assignment(m.owned), new ConsumerGroupMetadata("g", m.generation, m.id, Optional.empty()));
        user = s.subscriptionUserData(new HashSet<>(m.topics));
      }
      Subscription sub = new Subscription(m.topics, user, m.owned, m.generation, Optional.ofNullable(m.rack));
      sub.setGroupInstanceId(Optional.ofNullable(m.instance));
      subs.put(m.id, sub);
      String hex = "null";
      if (user != null) { StringBuilder b = new StringBuilder(); ByteBuffer d = user.duplicate(); while (d.hasRemaining()) b.append(String.format("%02x", d.get())); hex = "\"" + b + "\""; }
      told.add("{\"id\":\"" + m.id + "\",\"instance\":" + (m.instance == null ? "null" : "\"" + m.instance + "\"") + ",\"rack\":" + (m.rack == null ? "null" : "\"" + m.rack + "\"")
        + ",\"topics\":[" + String.join(",", m.topics.stream().map(t -> "\"" + t + "\"").toList()) + "],\"generation\":" + m.generation + ",\"owned\":" + parts(m.owned) + ",\"user_data\":" + hex + "}");
    }
    GroupAssignment result = assignor.assign(cluster(topics, racks), new GroupSubscription(subs));
    List<String> out = new ArrayList<>();
    for (M m : members) out.add("\"" + m.id + "\":" + parts(result.groupAssignment().get(m.id).partitions()));
    List<String> ts = new ArrayList<>();
    for (var e : topics.entrySet()) ts.add("\"" + e.getKey() + "\":" + e.getValue());
    System.out.println("{\"assignor\":\"" + name + "\",\"racks\":" + racks + ",\"topics\":{" + String.join(",", ts) + "},\"members\":[" + String.join(",", told) + "],\"assignment\":{" + String.join(",", out) + "}}");
    for (M m : members) { m.owned = new ArrayList<>(result.groupAssignment().get(m.id).partitions()); m.generation = round; }
  }

  static M member(int n, List<String> names, boolean equal, int racks) {
    M m = new M();
    m.id = "client-" + n + "-" + new UUID(random.nextLong(), random.nextLong());
    if (random.nextInt(4) == 0) m.instance = "i" + random.nextInt(1000) + "-" + n;
    m.topics = new ArrayList<>(names);
    if (!equal) { Collections.shuffle(m.topics, random); m.topics = new ArrayList<>(m.topics.subList(0, 1 + random.nextInt(m.topics.size()))); Collections.sort(m.topics); }
    if (racks > 0) m.rack = "rack" + random.nextInt(racks);
    return m;
  }

  public static void main(String[] a) {
    boolean withRacks = a.length > 0;
    for (String name : List.of("range", "roundrobin", "sticky", "cooperative-sticky"))
      for (int test = 0; test < (name.contains("sticky") ? 24 : 12); test++) {
        boolean equal = test % 2 == 0;
        int racks = withRacks ? 3 : 0;
        Map<String, Integer> topics = new TreeMap<>();
        int count = 1 + random.nextInt(4);
        for (int t = 0; t < count; t++) topics.put("t" + t, 1 + random.nextInt(9));
        List<String> names = new ArrayList<>(topics.keySet());
        if (random.nextInt(4) == 0) names.add("missing");
        List<M> members = new ArrayList<>();
        int next = 0;
        for (int n = 1 + random.nextInt(4); n > 0; n--) members.add(member(next++, names, equal, racks));
        for (int round = 1; round <= 4; round++) {
          emit(name, round, topics, racks, members);
          switch (random.nextInt(5)) {
            case 0: if (members.size() > 1) members.remove(random.nextInt(members.size())); break;
            case 1: members.add(member(next++, names, equal, racks));
            case 2: members.add(member(next++, names, equal, racks)); break;
            case 3: { String t = "t" + random.nextInt(count); topics.put(t, topics.get(t) + 1 + random.nextInt(3)); break; }
            default: { // one member missed a round and comes back with what it had
              M m = members.get(random.nextInt(members.size())); m.generation = Math.max(-1, m.generation - 1 - random.nextInt(2)); 
              if (!equal && m.topics.size() > 1) m.topics = new ArrayList<>(m.topics.subList(1, m.topics.size())); break; }
          }
        }
      }
  }
}
