// Consume.java: all that is committed in topics, from their beginning to their end when it starts (the end that a
// reader of committed records has), or until a number of records has come.
import java.io.BufferedOutputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

class Consume {
    final Tool.Words words;
    final boolean values;
    final long wanted, from;
    final double seconds;
    final OutputStream out = new BufferedOutputStream(System.out, 1 << 20);

    Consume(Tool.Words words) {
        this.words = words;
        values = words.option("as", "json").equals("values");
        wanted = Long.parseLong(words.option("count", "-1"));
        from = Long.parseLong(words.option("from", "0"));
        seconds = Double.parseDouble(words.option("within", "60"));
        words.settings.putIfAbsent("isolation.level", "read_committed");
        words.settings.putIfAbsent("auto.offset.reset", "none");
        words.settings.put("enable.auto.commit", "false");
    }

    static Object text(byte[] bytes) {
        if (bytes == null)
            return null;
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException notText) {
            return Map.of("base64", Base64.getEncoder().encodeToString(bytes));
        }
    }

    void show(ConsumerRecord<byte[], byte[]> r) throws Exception {
        if (values) {
            if (r.value() != null)
                out.write(r.value());
            out.write('\n');
            return;
        }
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("topic", r.topic());
        line.put("partition", r.partition());
        line.put("offset", r.offset());
        line.put("timestamp", r.timestamp());
        line.put("key", text(r.key()));
        line.put("value", text(r.value()));
        List<Object> headers = new ArrayList<>();
        for (Header h : r.headers()) {
            List<Object> pair = new ArrayList<>();
            pair.add(h.key());
            pair.add(text(h.value()));
            headers.add(pair);
        }
        if (!headers.isEmpty())
            line.put("headers", headers);
        out.write(Tool.JSON.writeValueAsBytes(line));
        out.write('\n');
    }

    void run() throws Exception {
        // A consumer of its own does not close: that would wait for the broker, which may be gone.
        var consumer = new KafkaConsumer<>(words.settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        List<TopicPartition> all = new ArrayList<>();
        for (String topic : words.from(1))
            for (var p : consumer.partitionsFor(topic))
                all.add(new TopicPartition(topic, p.partition()));
        consumer.assign(all);
        for (var begin : consumer.beginningOffsets(all).entrySet())
            consumer.seek(begin.getKey(), Math.max(from, begin.getValue()));
        Map<TopicPartition, Long> ends = consumer.endOffsets(all);
        long deadline = System.nanoTime() + (long) (seconds * 1e9), count = 0;
        while (wanted >= 0 ? count < wanted : all.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
            if (System.nanoTime() > deadline) {
                out.flush();
                throw new IllegalStateException(count + " records after " + seconds + " s" +
                    (wanted < 0 ? ", and not at the end" : ""));
            }
            for (var r : consumer.poll(Duration.ofMillis(100))) {
                count++;
                show(r);
            }
            if (wanted >= 0)
                out.flush();
        }
        out.flush();
    }
}
