// LatencyFlink.java: how long an event takes through Flink: source -> keyed operator -> sink, at a fixed rate.
//
// usage: LatencyFlink record|window EVENTS_A_SECOND WARM_SECONDS SECONDS CHECKPOINT_FOLDER
// record: a running count by key; each event's own way is timed. window: counts in tumbling windows of 10 ms of event
// time; a result's way is timed from the end of its window. Parallelism 1, buffer timeout 0, a watermark behind each event, a checkpoint each second.
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.legacy.RichSinkFunction;
import org.apache.flink.streaming.api.functions.source.legacy.SourceFunction;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;
import java.time.Duration;

public final class LatencyFlink {
    private LatencyFlink() {}

    // (key, due)
    static final class Source implements SourceFunction<Tuple2<Integer, Long>> {
        private volatile boolean running = true;

        @Override
        public void run(SourceContext<Tuple2<Integer, Long>> out) {
            Pace.start();
            for (long n = 0; running; n++) {
                long due = n * Pace.stepNanos;
                if (due > Pace.endNanos) {
                    return;
                }
                while (Pace.sinceStart() < due) {
                    Thread.onSpinWait();
                }
                synchronized (out.getCheckpointLock()) {
                    long millis = due / 1_000_000;
                    out.collectWithTimestamp(Tuple2.of((int) (n * 7919 % Pace.KEYS), due), millis);
                    out.emitWatermark(new Watermark(millis - 1));
                }
            }
        }

        @Override
        public void cancel() {
            running = false;
        }
    }

    static final class RunningCount
            extends KeyedProcessFunction<Integer, Tuple2<Integer, Long>, Tuple2<Long, Long>> {
        private transient ValueState<Long> count;

        @Override
        public void open(OpenContext context) {
            count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Types.LONG));
        }

        @Override
        public void processElement(
                Tuple2<Integer, Long> event, Context context, Collector<Tuple2<Long, Long>> out)
                throws Exception {
            Long before = count.value();
            long now = before == null ? 1 : before + 1;
            count.update(now);
            out.collect(Tuple2.of(now, event.f1));
        }
    }

    static final class Count implements AggregateFunction<Tuple2<Integer, Long>, Long, Long> {
        @Override
        public Long createAccumulator() {
            return 0L;
        }

        @Override
        public Long add(Tuple2<Integer, Long> event, Long count) {
            return count + 1;
        }

        @Override
        public Long getResult(Long count) {
            return count;
        }

        @Override
        public Long merge(Long a, Long b) {
            return a + b;
        }
    }

    // The count and when the window ended.
    static final class WithEnd
            extends ProcessWindowFunction<Long, Tuple2<Long, Long>, Integer, TimeWindow> {
        @Override
        public void process(
                Integer key, Context context, Iterable<Long> counts, Collector<Tuple2<Long, Long>> out) {
            out.collect(Tuple2.of(counts.iterator().next(), context.window().getEnd() * 1_000_000));
        }
    }

    static final class Sink extends RichSinkFunction<Tuple2<Long, Long>> {
        @Override
        public void invoke(Tuple2<Long, Long> result, Context context) {
            Pace.arrived(result.f1);
        }
    }

    public static void main(String[] args) throws Exception {
        Configuration settings = new Configuration();
        settings.setString("execution.checkpointing.interval", "1s");
        settings.setString("execution.checkpointing.dir", "file://" + args[4]);
        settings.setString("execution.buffer-timeout.interval", "0 ms");
        settings.setString("pipeline.object-reuse", "true");
        StreamExecutionEnvironment env =
                StreamExecutionEnvironment.getExecutionEnvironment(settings).setParallelism(1);
        TypeInformation<Tuple2<Long, Long>> pair = Types.TUPLE(Types.LONG, Types.LONG);
        KeyedStream<Tuple2<Integer, Long>, Integer> keyed =
                env.addSource(new Source(), "paced", Types.TUPLE(Types.INT, Types.LONG))
                        .keyBy(event -> event.f0, Types.INT);
        if (args[0].equals("record")) {
            keyed.process(new RunningCount(), pair).addSink(new Sink());
        } else {
            keyed.window(TumblingEventTimeWindows.of(Duration.ofMillis(Pace.WINDOW_MS)))
                    .aggregate(new Count(), new WithEnd(), Types.LONG, Types.LONG, pair)
                    .addSink(new Sink());
        }
        Pace.begin(Long.parseLong(args[1]), Long.parseLong(args[2]), Long.parseLong(args[3]));
        env.execute();
        Pace.print("flink", args[0]);
        System.exit(0);
    }
}
