// StreamsJob.java: Kafka Streams doing what weir does beside it, from topic to topic, timed.
//
// usage: StreamsJob count|uv BROKERS IN OUT GUARANTEE ROWS THREADS STATE_FOLDER
// count: rows by key (the dimension), the running count to OUT; Streams' own count() with its defaults (RocksDB, a cache of
// 10 MB that holds updates back until a commit). uv: distinct ids by dimension, by a processor: a store of what was
// seen and one of the counts, the changed counts to OUT each 100 ms. GUARANTEE is exactly_once_v2 or at_least_once; a
// commit each second. Ends when ROWS rows were handled and committed, and prints
//   done JOB GUARANTEE seconds S cpu S marginal_seconds S marginal_cpu S
// from the start of the client to the end of its last commit; marginal: without the first quarter of the rows, in
// which the JVM warms up and the group is joined. CPU is the whole JVM's.
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

public final class StreamsJob {
    private static final AtomicLong handled = new AtomicLong();
    private static final AtomicInteger dirtyTasks = new AtomicInteger();
    private static final CountDownLatch all = new CountDownLatch(1);
    private static long rows;
    private static volatile long quarterNanos;
    private static volatile double quarterCpu;

    private StreamsJob() {}

    private static double cpuSeconds() {
        Object bean = ManagementFactory.getOperatingSystemMXBean();
        return ((com.sun.management.OperatingSystemMXBean) bean).getProcessCpuTime() / 1e9;
    }

    private static void count() {
        long n = handled.incrementAndGet();
        if (n == rows / 4) {
            quarterCpu = cpuSeconds();
            quarterNanos = System.nanoTime();
        }
        if (n == rows) {
            all.countDown();
        }
    }

    private static Topology counts(String in, String out) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(in, Consumed.with(Serdes.String(), Serdes.ByteArray()))
                .peek((key, value) -> count())
                .groupByKey(Grouped.with(Serdes.String(), Serdes.ByteArray()))
                .count()
                .toStream()
                .mapValues(n -> Long.toString(n))
                .to(out, Produced.with(Serdes.String(), Serdes.String()));
        return builder.build();
    }

    static final class Uv implements Processor<String, byte[], String, String> {
        private static final byte[] SEEN = {1};
        private final JsonFactory json = new JsonFactory();
        private final Map<String, Long> dirty = new HashMap<>();
        private ProcessorContext<String, String> context;
        private KeyValueStore<String, byte[]> seen;
        private KeyValueStore<String, Long> counts;

        @Override
        public void init(ProcessorContext<String, String> context) {
            this.context = context;
            seen = context.getStateStore("seen");
            counts = context.getStateStore("counts");
            context.schedule(Duration.ofMillis(100), PunctuationType.WALL_CLOCK_TIME, now -> emit());
        }

        private void emit() {
            if (dirty.isEmpty()) {
                return;
            }
            dirty.forEach(
                    (key, n) -> context.forward(new Record<>(key, Long.toString(n), System.currentTimeMillis())));
            dirty.clear();
            dirtyTasks.decrementAndGet();
        }

        @Override
        public void process(Record<String, byte[]> record) {
            String id = null;
            String dimension = null;
            try (JsonParser parser = json.createParser(record.value())) {
                parser.nextToken();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.currentName();
                    parser.nextToken();
                    if (name.equals("id")) {
                        id = parser.getText();
                    } else if (name.equals("dimension")) {
                        dimension = parser.getText();
                    }
                }
            } catch (java.io.IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
            if (seen.putIfAbsent(dimension + '|' + id, SEEN) == null) {
                Long before = counts.get(dimension);
                long now = before == null ? 1 : before + 1;
                counts.put(dimension, now);
                if (dirty.isEmpty()) {
                    dirtyTasks.incrementAndGet();
                }
                dirty.put(dimension, now);
            }
            count();
        }
    }

    private static Topology uv(String in, String out) {
        return new Topology()
                .addSource("in", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(), in)
                .addProcessor("uv", Uv::new, "in")
                .addStateStore(
                        Stores.keyValueStoreBuilder(
                                Stores.persistentKeyValueStore("seen"), Serdes.String(), Serdes.ByteArray()),
                        "uv")
                .addStateStore(
                        Stores.keyValueStoreBuilder(
                                        Stores.persistentKeyValueStore("counts"), Serdes.String(), Serdes.Long())
                                .withCachingEnabled(),
                        "uv")
                .addSink("out", out, Serdes.String().serializer(), Serdes.String().serializer(), "uv");
    }

    public static void main(String[] args) throws Exception {
        boolean isCount = args[0].equals("count");
        rows = Long.parseLong(args[5]);
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, args[3]);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[1]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, args[4]);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Integer.parseInt(args[6]));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, args[7]);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        long start = System.nanoTime();
        double startCpu = cpuSeconds();
        KafkaStreams streams =
                new KafkaStreams(isCount ? counts(args[2], args[3]) : uv(args[2], args[3]), settings);
        streams.setUncaughtExceptionHandler(
                error -> {
                    error.printStackTrace();
                    Runtime.getRuntime().halt(1);
                    return null;
                });
        streams.start();
        all.await();
        while (dirtyTasks.get() != 0) {
            Thread.sleep(10);
        }
        streams.close(); // commits
        long end = System.nanoTime();
        double endCpu = cpuSeconds();
        System.out.printf(
                "done %s %s seconds %.3f cpu %.3f marginal_seconds %.3f marginal_cpu %.3f%n",
                args[0],
                args[4],
                (end - start) / 1e9,
                endCpu - startCpu,
                (end - quarterNanos) / 1e9,
                endCpu - quarterCpu);
    }
}
