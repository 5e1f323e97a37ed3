// LatencyJet.java: how long an event takes through Hazelcast Jet: source -> keyed operator -> sink, at a fixed rate.
//
// usage: LatencyJet record|window EVENTS_A_SECOND WARM_SECONDS SECONDS
// The two shapes of LatencyFlink. One member, exactly-once snapshots each second (in memory, Jet's way), its defaults else.
import com.hazelcast.config.Config;
import com.hazelcast.core.Hazelcast;
import com.hazelcast.core.HazelcastInstance;
import com.hazelcast.jet.Job;
import com.hazelcast.jet.aggregate.AggregateOperations;
import com.hazelcast.jet.config.JobConfig;
import com.hazelcast.jet.config.ProcessingGuarantee;
import com.hazelcast.jet.core.JobStatus;
import com.hazelcast.jet.datamodel.Tuple2;
import com.hazelcast.jet.pipeline.Pipeline;
import com.hazelcast.jet.pipeline.Sink;
import com.hazelcast.jet.pipeline.SinkBuilder;
import com.hazelcast.jet.pipeline.SourceBuilder;
import com.hazelcast.jet.pipeline.StreamSource;
import com.hazelcast.jet.pipeline.StreamStageWithKey;
import com.hazelcast.jet.pipeline.WindowDefinition;
import java.util.List;

public final class LatencyJet {
    private LatencyJet() {}

    // What the source remembers: the next event.
    static final class Paced {
        private static final int MOST = 256;
        private long next;

        void fill(SourceBuilder.TimestampedSourceBuffer<Tuple2<Integer, Long>> out) {
            Pace.start();
            for (int i = 0; i < MOST; i++) {
                long due = next * Pace.stepNanos;
                if (Pace.sinceStart() < due) {
                    return;
                }
                out.add(Tuple2.tuple2((int) (next * 7919 % Pace.KEYS), due), due / 1_000_000);
                next++;
            }
        }
    }

    private static StreamSource<Tuple2<Integer, Long>> source() {
        return SourceBuilder.timestampedStream("paced", context -> new Paced())
                .<Tuple2<Integer, Long>>fillBufferFn(Paced::fill)
                .createSnapshotFn(paced -> paced.next)
                .restoreSnapshotFn((paced, saved) -> paced.next = ((List<Long>) saved).get(0))
                .build();
    }

    private static Sink<Long> sink() {
        return SinkBuilder.sinkBuilder("arrived", context -> new Object())
                .<Long>receiveFn((nothing, due) -> Pace.arrived(due))
                .preferredLocalParallelism(1)
                .build();
    }

    public static void main(String[] args) throws InterruptedException {
        Config config = new Config();
        config.setProperty("hazelcast.logging.type", "none");
        config.setProperty("hazelcast.phone.home.enabled", "false");
        config.getJetConfig().setEnabled(true);
        config.getNetworkConfig().getInterfaces().setEnabled(true).addInterface("127.0.0.1");
        config.getNetworkConfig().getJoin().getMulticastConfig().setEnabled(false);
        config.getNetworkConfig().getJoin().getAutoDetectionConfig().setEnabled(false);
        HazelcastInstance member = Hazelcast.newHazelcastInstance(config);
        Pipeline pipeline = Pipeline.create();
        StreamStageWithKey<Tuple2<Integer, Long>, Integer> keyed =
                pipeline.readFrom(source()).withNativeTimestamps(0).groupingKey(Tuple2::f0);
        if (args[0].equals("record")) {
            keyed.mapStateful(
                            () -> new long[1],
                            (count, key, event) -> {
                                count[0]++;
                                return event.f1();
                            })
                    .writeTo(sink());
        } else {
            keyed.window(WindowDefinition.tumbling(Pace.WINDOW_MS))
                    .aggregate(AggregateOperations.counting())
                    .map(result -> result.end() * 1_000_000)
                    .writeTo(sink());
        }
        JobConfig job =
                new JobConfig()
                        .setProcessingGuarantee(ProcessingGuarantee.EXACTLY_ONCE)
                        .setSnapshotIntervalMillis(1000);
        Pace.begin(Long.parseLong(args[1]), Long.parseLong(args[2]), Long.parseLong(args[3]));
        Job running = member.getJet().newJob(pipeline, job);
        while (!Pace.isOver()) { // a stream has no end in Jet
            if (running.getStatus() == JobStatus.FAILED) {
                running.join(); // throws the reason
            }
            Thread.sleep(100);
        }
        running.cancel();
        Pace.print("hazelcast", args[0]);
        System.exit(0);
    }
}
