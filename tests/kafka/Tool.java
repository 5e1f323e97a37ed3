// Tool.java: what tests ask of a broker, many things in one start of Java (half a second of CPU): `tool`, beside this
// file, says how. Written on Kafka's own client, so what it reads is the word of a consumer that shares no line with
// weir's. Answers are lines of JSON on stdout; the first thing that fails ends it with status 1.
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.FileReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

public class Tool {
    static final ObjectMapper JSON = new ObjectMapper();
    final Properties settings = new Properties();
    Admin admin;

    // One command: words without `=` are its arguments, name=value its options; a name with a dot in it is a setting
    // of Kafka's client.
    static class Words {
        final List<String> plain = new ArrayList<>();
        final Map<String, String> options = new LinkedHashMap<>();
        final Properties settings = new Properties();

        Words(List<String> words, Properties common) {
            settings.putAll(common);
            for (String word : words) {
                int at = word.indexOf('=');
                if (at < 0)
                    plain.add(word);
                else if (word.substring(0, at).contains("."))
                    settings.put(word.substring(0, at), word.substring(at + 1));
                else
                    options.put(word.substring(0, at), word.substring(at + 1));
            }
        }

        String argument(int index, String what) {
            if (index >= plain.size())
                throw new IllegalArgumentException(plain.get(0) + ": " + what + " is missing");
            return plain.get(index);
        }

        int number(int index, String what) {
            return Integer.parseInt(argument(index, what));
        }

        List<String> from(int index) {
            return plain.subList(index, plain.size());
        }

        String option(String name, String otherwise) {
            return options.getOrDefault(name, otherwise);
        }
    }

    static void say(Object... pairs) throws Exception {
        Map<String, Object> line = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2)
            line.put((String) pairs[i], pairs[i + 1]);
        System.out.println(JSON.writeValueAsString(line));
    }

    Admin admin() {
        if (admin == null)
            admin = Admin.create(settings);
        return admin;
    }

    // The settings of a topic or its defaults among the words: anything with a dot that is no client's.
    static Map<String, String> topicSettings(Words w, Properties common) {
        Map<String, String> found = new TreeMap<>();
        for (String name : w.settings.stringPropertyNames())
            if (!common.containsKey(name))
                found.put(name, w.settings.getProperty(name));
        return found;
    }

    void create(Words w) throws Exception {
        Optional<Integer> partitions = w.plain.size() > 2 ? Optional.of(w.number(2, "partitions")) : Optional.of(1);
        String replicas = w.option("replicas", null);
        NewTopic topic = new NewTopic(w.argument(1, "topic"), partitions,
            Optional.ofNullable(replicas).map(Short::valueOf)).configs(topicSettings(w, settings));
        try {
            admin().createTopics(List.of(topic)).all().get();
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof TopicExistsException && w.options.containsKey("exists")))
                throw e;
        }
        await(topic.name(), partitions.get());
    }

    // A topic is not there for every broker as soon as the controller has made it.
    void await(String topic, int partitions) throws Exception {
        for (int i = 0; i < 200; i++) {
            try {
                TopicDescription d = describe(topic);
                if (d.partitions().size() == partitions && d.partitions().stream().allMatch(p -> p.leader() != null))
                    return;
            } catch (ExecutionException notYet) {
                // The next round asks again; the last failure is said below.
            }
            Thread.sleep(50);
        }
        throw new IllegalStateException(topic + " has no " + partitions + " partitions with leaders after 10 s");
    }

    TopicDescription describe(String topic) throws Exception {
        return admin().describeTopics(List.of(topic)).allTopicNames().get().get(topic);
    }

    void describe(Words w) throws Exception {
        for (String topic : w.from(1))
            for (var p : describe(topic).partitions())
                say("topic", topic, "partition", p.partition(), "leader", p.leader() == null ? -1 : p.leader().id(),
                    "replicas", p.replicas().stream().map(n -> n.id()).collect(Collectors.toList()),
                    "in-sync", p.isr().stream().map(n -> n.id()).collect(Collectors.toList()));
    }

    void configure(Words w) throws Exception {
        List<AlterConfigOp> changes = new ArrayList<>();
        topicSettings(w, settings).forEach((name, value) -> changes.add(
            new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET)));
        String target = w.argument(1, "topic, or broker:N");
        ConfigResource resource = target.startsWith("broker:")
            ? new ConfigResource(ConfigResource.Type.BROKER, target.substring(7))
            : new ConfigResource(ConfigResource.Type.TOPIC, target);
        admin().incrementalAlterConfigs(Map.of(resource, changes)).all().get();
    }

    void grow(Words w) throws Exception {
        int partitions = w.number(2, "partitions");
        admin().createPartitions(Map.of(w.argument(1, "topic"), NewPartitions.increaseTo(partitions))).all().get();
        await(w.argument(1, "topic"), partitions);
    }

    // Where each partition begins and ends: for all readers, and for those that read what is committed.
    void ends(Words w) throws Exception {
        for (String topic : w.from(1)) {
            List<TopicPartition> all = describe(topic).partitions().stream()
                .map(p -> new TopicPartition(topic, p.partition())).collect(Collectors.toList());
            var begins = offsets(all, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED);
            var ends = offsets(all, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED);
            var stable = offsets(all, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED);
            for (TopicPartition p : all)
                say("topic", topic, "partition", p.partition(), "begin", begins.get(p).offset(), "end",
                    ends.get(p).offset(), "stable", stable.get(p).offset());
        }
    }

    Map<TopicPartition, ListOffsetsResult.ListOffsetsResultInfo> offsets(List<TopicPartition> of, OffsetSpec spec,
                                                                         IsolationLevel level) throws Exception {
        return admin().listOffsets(of.stream().collect(Collectors.toMap(p -> p, p -> spec)),
                                   new ListOffsetsOptions(level)).all().get();
    }

    void group(Words w) throws Exception {
        for (String group : w.from(1))
            for (var e : admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().entrySet())
                say("group", group, "topic", e.getKey().topic(), "partition", e.getKey().partition(), "offset",
                    e.getValue().offset(), "metadata", e.getValue().metadata());
    }

    // group-set GROUP TOPIC PARTITION OFFSET [METADATA]; an offset of -1 forgets the group.
    void setGroup(Words w) throws Exception {
        String group = w.argument(1, "group");
        TopicPartition p = new TopicPartition(w.argument(2, "topic"), w.number(3, "partition"));
        long offset = Long.parseLong(w.argument(4, "offset"));
        if (offset < 0)
            admin().deleteConsumerGroupOffsets(group, Set.of(p)).all().get();
        else
            admin().alterConsumerGroupOffsets(group, Map.of(p, new OffsetAndMetadata(offset,
                w.plain.size() > 5 ? w.plain.get(5) : ""))).all().get();
    }

    void transactions() throws Exception {
        for (TransactionListing t : admin().listTransactions().all().get())
            say("id", t.transactionalId(), "producer", t.producerId(), "state", t.state().toString());
    }

    // The leader becomes the first of these brokers.
    void move(Words w) throws Exception {
        TopicPartition p = new TopicPartition(w.argument(1, "topic"), w.number(2, "partition"));
        List<Integer> brokers = Stream.of(w.argument(3, "brokers").split(",")).map(Integer::valueOf)
            .collect(Collectors.toList());
        admin().alterPartitionReassignments(Map.of(p, Optional.of(new NewPartitionReassignment(brokers)))).all().get();
        for (int i = 0; !admin().listPartitionReassignments(Set.of(p)).reassignments().get().isEmpty(); i++) {
            if (i == 200)
                throw new IllegalStateException(p + " is not on brokers " + brokers + " after 20 s");
            Thread.sleep(100);
        }
        try {
            admin().electLeaders(ElectionType.PREFERRED, Set.of(p)).all().get();
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof ElectionNotNeededException))
                throw e;
        }
    }

    // A password is read from a file, as everywhere.
    void scram(Words w) throws Exception {
        String password = Files.readString(Path.of(w.argument(2, "file of the password"))).strip();
        for (ScramMechanism m : List.of(ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512))
            admin().alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(
                w.argument(1, "user"), new ScramCredentialInfo(m, 4096), password))).all().get();
    }

    // Records before the offset are deleted: who was to read them finds his offset out of range.
    void truncate(Words w) throws Exception {
        admin().deleteRecords(Map.of(new TopicPartition(w.argument(1, "topic"), w.number(2, "partition")),
            RecordsToDelete.beforeOffset(Long.parseLong(w.argument(3, "offset"))))).all().get();
    }

    // Who may do what: `grant` adds rules that allow, `revoke` takes all rules of the user for the resource away. A
    // name that ends with * is a prefix.
    void rights(Words w, boolean grants) throws Exception {
        String user = "User:" + w.argument(1, "user"), name = w.argument(3, "name");
        ResourceType type = ResourceType.fromString(w.argument(2, "topic, group or transactional_id"));
        boolean isPrefix = name.endsWith("*");
        ResourcePattern pattern = new ResourcePattern(type, isPrefix ? name.substring(0, name.length() - 1) : name,
            isPrefix ? PatternType.PREFIXED : PatternType.LITERAL);
        if (grants)
            admin().createAcls(w.from(4).stream().map(operation -> new AclBinding(pattern, new AccessControlEntry(
                user, "*", AclOperation.fromString(operation), AclPermissionType.ALLOW))).toList()).all().get();
        else
            admin().deleteAcls(List.of(new AclBindingFilter(pattern.toFilter(), new AccessControlEntryFilter(
                user, null, AclOperation.ANY, AclPermissionType.ANY)))).all().get();
    }

    void run(Words w) throws Exception {
        switch (w.argument(0, "command")) {
        case "create" -> create(w);
        case "delete" -> admin().deleteTopics(w.from(1)).all().get();
        case "grow" -> grow(w);
        case "set" -> configure(w);
        case "describe" -> describe(w);
        case "ends" -> ends(w);
        case "group" -> group(w);
        case "group-set" -> setGroup(w);
        case "transactions" -> transactions();
        case "fence" -> admin().fenceProducers(w.from(1)).all().get();
        case "move" -> move(w);
        case "scram" -> scram(w);
        case "truncate" -> truncate(w);
        case "grant" -> rights(w, true);
        case "revoke" -> rights(w, false);
        case "produce" -> new Produce(w).run();
        case "consume" -> new Consume(w).run();
        case "sleep" -> Thread.sleep((long) (1000 * Double.parseDouble(w.argument(1, "seconds"))));
        default -> throw new IllegalArgumentException("no command " + w.plain.get(0) + "; see tests/kafka/tool");
        }
    }

    public static void main(String[] words) {
        Tool tool = new Tool();
        List<String> command = new ArrayList<>();
        try {
            tool.settings.put("bootstrap.servers", words[0]);
            int first = 1;
            if (words.length > 2 && words[1].equals("--config")) {
                try (FileReader in = new FileReader(words[2])) {
                    tool.settings.load(in);
                }
                first = 3;
            }
            for (int i = first; i <= words.length; i++) {
                if (i < words.length && !words[i].equals("--")) {
                    command.add(words[i]);
                } else if (!command.isEmpty()) {
                    tool.run(new Words(command, tool.settings));
                    command.clear();
                }
            }
        } catch (Exception e) {
            Throwable why = e instanceof ExecutionException ? e.getCause() : e;
            System.err.println("tool: " + String.join(" ", command) + ": " + why);
            System.exit(1);
        }
        // Not by returning: clients would take their time to say goodbye.
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }
}
