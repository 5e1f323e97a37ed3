// Produce.java: lines of JSON become records, one by one or in transactions. The producer lives until the end of the
// program, so what a command leaves open in a transaction stays open until the broker gives it up.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.FileReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

class Produce {
    final Tool.Words words;
    final String topic;
    final boolean text, transactional;
    final KafkaProducer<byte[], byte[]> producer;
    final List<Future<RecordMetadata>> sent = new ArrayList<>();

    Produce(Tool.Words words) {
        this.words = words;
        topic = words.argument(1, "topic");
        text = words.option("as", "json").equals("text");
        transactional = words.settings.containsKey("transactional.id");
        words.settings.putIfAbsent("linger.ms", "5");
        producer = new KafkaProducer<>(words.settings, new ByteArraySerializer(), new ByteArraySerializer());
        if (transactional)
            producer.initTransactions();
    }

    // A string is its UTF-8, null is null, {"base64": ...} any bytes, anything else its JSON.
    static byte[] bytes(JsonNode node) {
        if (node == null || node.isNull())
            return null;
        if (node.isObject() && node.size() == 1 && node.has("base64"))
            return Base64.getDecoder().decode(node.get("base64").textValue());
        return (node.isTextual() ? node.textValue() : node.toString()).getBytes(StandardCharsets.UTF_8);
    }

    ProducerRecord<byte[], byte[]> record(String line) throws Exception {
        if (text)
            return new ProducerRecord<>(topic, line.getBytes(StandardCharsets.UTF_8));
        JsonNode node = Tool.JSON.readTree(line);
        if (!node.isObject())
            throw new IllegalArgumentException("not a record, nor begin, commit, abort, flush: " + line);
        ((ObjectNode) node).fieldNames().forEachRemaining(name -> {
            if (!List.of("topic", "partition", "timestamp", "key", "value", "headers").contains(name))
                throw new IllegalArgumentException("a record has no " + name + ": " + line);
        });
        var made = new ProducerRecord<>(node.path("topic").asText(topic),
            node.has("partition") ? node.get("partition").intValue() : null,
            node.has("timestamp") ? node.get("timestamp").longValue() : null, bytes(node.get("key")),
            bytes(node.get("value")));
        // Pairs, because a name may come twice.
        for (JsonNode header : node.path("headers"))
            made.headers().add(header.get(0).textValue(), bytes(header.get(1)));
        return made;
    }

    void settle() throws Exception {
        producer.flush();
        for (Future<RecordMetadata> one : sent)
            one.get();
        sent.clear();
    }

    void take(String line) throws Exception {
        switch (text ? "" : line) {
        case "begin" -> producer.beginTransaction();
        case "commit" -> {
            producer.commitTransaction();
            sent.clear();
        }
        case "abort" -> {
            producer.abortTransaction();
            sent.clear();
        }
        case "flush" -> settle();
        default -> {
            sent.add(producer.send(record(line)));
            if (sent.size() == 100000)
                settle();
        }
        }
    }

    void run() throws Exception {
        String file = words.option("file", null);
        try (BufferedReader in = new BufferedReader(file == null
                 ? new InputStreamReader(System.in, StandardCharsets.UTF_8)
                 : new FileReader(file, StandardCharsets.UTF_8))) {
            if (text && transactional)
                producer.beginTransaction();
            for (String line = in.readLine(); line != null; line = in.readLine())
                take(line);
            settle();
            if (text && transactional)
                producer.commitTransaction();
        }
    }
}
