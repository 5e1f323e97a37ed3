// test_kafka_client.c: what becomes of a table's properties, secrets stay secret, errors are
// sentences, topics are found: against librdkafka's own mock cluster.
#include <errno.h>
#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "stages/kafka/jaas.h"
#include "stages/kafka/property.h"
#include "stages/kafka/secret.h"
#include "stages/kafka/topics.h"
#include "tools/file.h"

enum { PROPERTIES_MAX = 16 };

struct given { // a table of properties
    struct kafka_property properties[PROPERTIES_MAX];
    char options[PROPERTIES_MAX][128];
    const char *topics[4];
    struct kafka_table table;
};

static struct given *table_of(struct given *g)
{
    *g = (struct given){.table = {.name = "orders", .servers = "127.0.0.1:1", .group_id = "g"}};
    g->table.properties = g->properties;
    g->table.topics = g->topics;
    return g;
}

static void add(struct given *g, const char *key, const char *value)
{
    int i = g->table.property_count++;
    assert_true(i < PROPERTIES_MAX);
    snprintf(g->options[i], sizeof g->options[i], "properties.%s", key);
    g->properties[i] = (struct kafka_property){key, value, g->options[i]};
}

// A user over plain text, with what a test is about.
static void add_user(struct given *g, const char *password)
{
    add(g, "security.protocol", "SASL_PLAINTEXT");
    add(g, "sasl.mechanism", "SCRAM-SHA-512");
    add(g, "sasl.username", "alice");
    add(g, "sasl.password", password);
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("\"%s\" is in: %s", part, text);
}

static struct kafka_client *make(struct given *g, enum kafka_role role, struct err *err)
{
    struct kafka_client *client = NULL;
    const struct kafka_client_spec spec = {
        .table = &g->table, .role = role, .job_name = "a job", .subtask = 3};
    int rc = kafka_client_create(&spec, &client, err);
    assert_int_equal(rc == 0, client != NULL);
    return client;
}

// What librdkafka has, of a client that exists.
static void assert_conf(const struct kafka_client *client, const char *name, const char *wanted)
{
    char value[512] = "";
    size_t size = sizeof value;
    assert_int_equal(
        rd_kafka_conf_get(rd_kafka_conf(kafka_client_handle(client)), name, value, &size),
        RD_KAFKA_CONF_OK);
    assert_string_equal(value, wanted);
}

// --- properties ---

static void refused(const char *key, const char *value, const char *why)
{
    struct given g;
    struct err err = {.text = ""};
    add(table_of(&g), key, value);
    assert_int_equal(kafka_properties_check(&g.table, KAFKA_CONSUMER, &err), -EINVAL);
    char begin[160];
    snprintf(begin, sizeof begin, "'properties.%s'", key);
    assert_int_equal(strncmp(err.text, begin, strlen(begin)), 0);
    assert_has(err.text, why);
}

static void test_properties_are_refused_with_what_to_write(void **state)
{
    (void)state;
    refused("fetch.min.byte", "1", "did you mean 'properties.fetch.min.bytes'?");
    refused("frobnicate", "1", "no property 'frobnicate'");
    refused("fetch.min.bytes", "many", "fetch.min.bytes");
    refused("enable.auto.commit", "true", "state");
    refused("transactional.id", "x", "sink.transactional-id-prefix");
    refused("isolation.level", "read_everything", "read_everything");
    refused("group.protocol", "consumer", "assigns partitions");
    refused("plugin.library.paths", "/x.so", "foreign code");
    refused("ssl.protocol", "TLSv1.2", "MinProtocol");
    refused("error_cb", "x", "pointer");
    refused("metadata.broker.list", "x", "properties.bootstrap.servers");
    refused("sasl.kerberos.service.name", "kafka", "SCRAM-SHA-512");
    refused("ssl.ca.location", "/ca.pem", "no effect");
    refused("sasl.username", "alice", "no effect");
    refused("client.rack", "${vault:x}", "is no reference");
    refused("client.rack", "${file:relative}", "whole path");
    refused("client.rack", "${env:X", "has no }");
}

static void test_properties_of_java_are_left_out(void **state)
{
    (void)state;
    struct given g;
    struct err err = {.text = ""};
    table_of(&g);
    add(&g, "key.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer");
    add(&g, "max.poll.records", "500");
    add(&g, "enable.auto.commit", "false");
    add(&g, "partition.assignment.strategy", "x");
    add(&g, "bootstrap.servers", "b:1");
    add(&g, "auto.offset.reset", "earliest");
    assert_int_equal(kafka_properties_check(&g.table, KAFKA_CONSUMER, &err), 0);
    assert_int_equal(kafka_properties_check(&g.table, KAFKA_PRODUCER, &err), 0);
}

static void test_properties_go_under_librdkafkas_name(void **state)
{
    (void)state;
    struct given g;
    struct err err = {.text = ""};
    table_of(&g);
    add(&g, "fetch.max.wait.ms", "77");
    add(&g, "isolation.level", "read_uncommitted");
    add(&g, "max.request.size", "2000000");
    add(&g, "linger.ms", "9"); // a producer's: not for this one
    struct kafka_client *client = make(&g, KAFKA_CONSUMER, &err);
    assert_non_null(client);
    assert_conf(client, "fetch.wait.max.ms", "77");
    assert_conf(client, "message.max.bytes", "2000000");
    assert_conf(client, "isolation.level", "read_uncommitted");
    assert_conf(client, "enable.auto.commit", "false");
    assert_conf(client, "enable.auto.offset.store", "false");
    assert_conf(client, "group.id", "g");
    assert_conf(client, "client.id", "weir-a_job-orders-3");
    assert_conf(client, "linger.ms", "5");
    kafka_client_destroy(client);
    client = make(&g, KAFKA_PRODUCER, &err);
    assert_non_null(client);
    assert_conf(client, "linger.ms", "9");
    kafka_client_destroy(client);
}

static void test_properties_of_weir_go_over_the_tables(void **state)
{
    (void)state;
    struct given g;
    struct err err = {.text = ""};
    struct kafka_client *client = NULL;
    const struct kafka_setting defaults[] = {{"linger.ms", "1"}, {"batch.size", "1234"}};
    const struct kafka_setting own[] = {{"retries", "7"}};
    add(table_of(&g), "linger.ms", "9");
    add(&g, "retries", "1");
    add(&g, "client.id", "mine");
    const struct kafka_client_spec spec = {.table = &g.table,
                                           .role = KAFKA_PRODUCER,
                                           .job_name = "j",
                                           .subtask = 0,
                                           .defaults = defaults,
                                           .default_count = 2,
                                           .own = own,
                                           .own_count = 1};
    assert_int_equal(kafka_client_create(&spec, &client, &err), 0);
    assert_conf(client, "linger.ms", "9");
    assert_conf(client, "batch.size", "1234");
    assert_conf(client, "retries", "7");
    assert_conf(client, "client.id", "mine");
    kafka_client_destroy(client);
}

// Every name that we have an opinion about is there once, and each is answered.
static void test_properties_rules_are_whole(void **state)
{
    (void)state;
    for (int i = 0; property_rule_name(i); i++) {
        struct given g;
        struct err err = {.text = ""};
        add(table_of(&g), property_rule_name(i), "x");
        int rc = kafka_properties_check(&g.table, KAFKA_CONSUMER, &err);
        assert_true(rc == 0 || rc == -EINVAL);
        assert_true(rc == 0 || strstr(err.text, property_rule_name(i)));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(property_rule_name(i), property_rule_name(j));
    }
}

// Rules that are a family in the page, or for programs.
static bool is_in_a_family(const char *name)
{
    size_t len = strlen(name);
    return strncmp(name, "sasl.kerberos.", 14) == 0 ||
           strncmp(name, "sasl.oauthbearer.", 17) == 0 || strchr(name, '_') ||
           (len > 3 && strcmp(name + len - 3, "_cb") == 0) || strcmp(name, "opaque") == 0 ||
           strcmp(name, "interceptors") == 0;
}

static void test_properties_are_in_the_page(void **state)
{
    (void)state;
    struct buf page = {0};
    struct err err = {.text = ""};
    assert_int_equal(file_read_all("docs/kafka.md", 1 << 20, &page, &err), 0);
    for (int i = 0; property_rule_name(i); i++) {
        const char *name = property_rule_name(i);
        if (!is_in_a_family(name) && !strstr(buf_str(&page), name))
            fail_msg("docs/kafka.md lacks %s", name);
    }
    buf_fini(&page);
}

// --- security ---

static void security_refused(const char *mechanism, const char *why)
{
    struct given g;
    struct err err = {.text = ""};
    add(table_of(&g), "security.protocol", "SASL_SSL");
    if (mechanism)
        add(&g, "sasl.mechanism", mechanism);
    assert_int_equal(kafka_properties_check(&g.table, KAFKA_CONSUMER, &err), -EINVAL);
    assert_has(err.text, why);
}

static void test_security_is_whole_or_refused(void **state)
{
    (void)state;
    security_refused(NULL, "'properties.sasl.mechanism' is missing");
    security_refused("GSSAPI", "Kerberos");
    security_refused("OAUTHBEARER", "tokens");
    security_refused("SCRAM-SHA-1", "SCRAM-SHA-512");
    security_refused("PLAIN", "'properties.sasl.username' is missing");
}

static void test_security_of_java_stores(void **state)
{
    (void)state;
    struct given g;
    struct err err = {.text = ""};
    add(table_of(&g), "security.protocol", "SSL");
    add(&g, "ssl.truststore.location", "/etc/trust.jks");
    assert_int_equal(kafka_properties_check(&g.table, KAFKA_CONSUMER, &err), -EINVAL);
    assert_has(err.text, "keytool -list -rfc");
    add(table_of(&g), "security.protocol", "SSL");
    add(&g, "ssl.truststore.location", "/etc/trust");
    add(&g, "ssl.truststore.type", "PEM");
    add(&g, "ssl.endpoint.identification.algorithm", "");
    assert_int_equal(kafka_properties_check(&g.table, KAFKA_CONSUMER, &err), 0);
}

static void test_security_literal_secrets_are_refused(void **state)
{
    (void)state;
    struct given g;
    struct err err = {.text = ""};
    add_user(table_of(&g), "hunter2");
    assert_int_equal(kafka_properties_check(&g.table, KAFKA_PRODUCER, &err), -EINVAL);
    assert_has(err.text, "'properties.sasl.password'");
    assert_has(err.text, "${file:");
    assert_has_not(err.text, "hunter2");
    add(table_of(&g), "security.protocol", "SASL_SSL");
    add(&g, "sasl.mechanism", "PLAIN");
    add(&g, "sasl.jaas.config", "a.PlainLoginModule required username=\"u\" password=\"hunter2\";");
    assert_int_equal(kafka_properties_check(&g.table, KAFKA_PRODUCER, &err), -EINVAL);
    assert_has_not(err.text, "hunter2");
}

// --- secrets ---

static const char *secret_path(void)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/weir-test-secret-%d", (int)getpid());
    return path;
}

static const char *file_reference(void)
{
    static char text[96];
    snprintf(text, sizeof text, "${file:%s}", secret_path());
    return text;
}

static void write_secret(const char *content, size_t len, mode_t mode)
{
    int fd = open(secret_path(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(fd >= 0 && write(fd, content, len) == (ssize_t)len && fchmod(fd, mode) == 0);
    close(fd);
}

static void expands(const char *value, const char *wanted)
{
    struct buf out = {0}, warnings = {0};
    struct err err = {.text = ""};
    assert_int_equal(secret_expand(value, &out, &warnings, &err), 0);
    assert_string_equal(buf_str(&out), wanted);
    secret_wipe(&out);
    buf_fini(&warnings);
}

static void test_secret_is_expanded_anywhere(void **state)
{
    (void)state;
    char value[160];
    setenv("WEIR_TEST_SECRET", "from the environment", 1);
    write_secret("s3cret\n", 7, 0600);
    expands(file_reference(), "s3cret");
    snprintf(value, sizeof value, "<%s|${env:WEIR_TEST_SECRET}>$${x}$", file_reference());
    expands(value, "<s3cret|from the environment>${x}$");
    write_secret("two\nlines\r\n", 11, 0600);
    expands(file_reference(), "two\nlines");
    unlink(secret_path());
}

static void does_not_expand(const char *value, int rc, const char *why)
{
    struct buf out = {0}, warnings = {0};
    struct err err = {.text = ""};
    assert_int_equal(secret_expand(value, &out, &warnings, &err), rc);
    assert_has(err.text, why);
    assert_has_not(err.text, "s3cret");
    secret_wipe(&out);
    buf_fini(&warnings);
}

static void test_secret_that_is_not_there(void **state)
{
    (void)state;
    static char large[SECRET_FILE_BYTES + 2];
    unsetenv("WEIR_TEST_NONE");
    does_not_expand("${env:WEIR_TEST_NONE}", -ENOENT, "WEIR_TEST_NONE");
    does_not_expand("${file:/no/such/file}", -ENOENT, "/no/such/file");
    does_not_expand("${file:/tmp}", -EINVAL, "not a regular file");
    write_secret("\n", 1, 0600);
    does_not_expand(file_reference(), -EINVAL, "is empty");
    write_secret("s3cret\0x", 8, 0600);
    does_not_expand(file_reference(), -EINVAL, "zero byte");
    memset(large, 'x', sizeof large);
    write_secret(large, sizeof large, 0600);
    does_not_expand(file_reference(), -EFBIG, "longer than");
    unlink(secret_path());
}

static void test_secret_reaches_librdkafka_and_nobody_else(void **state)
{
    (void)state;
    struct given g;
    struct err err = {.text = ""};
    write_secret("s3cret\n", 7, 0600);
    add_user(table_of(&g), file_reference());
    assert_int_equal(kafka_properties_check(&g.table, KAFKA_CONSUMER, &err), 0);
    struct kafka_client *client = make(&g, KAFKA_CONSUMER, &err);
    assert_non_null(client);
    assert_conf(client, "sasl.password", "s3cret");
    struct rlimit core;
    assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
    assert_true(core.rlim_cur <= 1); // the secret would be in it
    kafka_client_destroy(client);
    unlink(secret_path());
    assert_null(make(&g, KAFKA_CONSUMER, &err));
    assert_has(err.text, "'properties.sasl.password': ${file:");
}

// A value that librdkafka refuses, and would repeat.
static void test_secret_is_not_repeated_by_a_complaint(void **state)
{
    (void)state;
    struct given g;
    struct err err = {.text = ""};
    write_secret("s3cret\n", 7, 0600);
    add(table_of(&g), "socket.timeout.ms", file_reference());
    assert_null(make(&g, KAFKA_CONSUMER, &err));
    assert_has(err.text, "'properties.socket.timeout.ms'");
    assert_has_not(err.text, "s3cret");
    unlink(secret_path());
}

struct heard {
    char text[4096];
    int count;
};

static void hear(void *context, const char *text)
{
    struct heard *heard = context;
    size_t len = strlen(heard->text);
    snprintf(heard->text + len, sizeof heard->text - len, "%s\n", text);
    heard->count++;
}

static void test_secret_that_all_can_read_is_told(void **state)
{
    (void)state;
    struct given g;
    struct err err = {.text = ""};
    struct heard heard = {.count = 0};
    write_secret("s3cret\n", 7, 0644);
    add_user(table_of(&g), file_reference());
    struct kafka_client *client = make(&g, KAFKA_PRODUCER, &err);
    assert_non_null(client);
    kafka_client_tell(client, hear, &heard);
    assert_has(heard.text, "chmod o-r");
    assert_has_not(heard.text, "s3cret");
    kafka_client_destroy(client);
    unlink(secret_path());
}

static void jaas_is(const char *text, const char *user, const char *password)
{
    struct jaas jaas;
    struct err err = {.text = ""};
    assert_int_equal(jaas_parse(text, &jaas, &err), 0);
    assert_string_equal(jaas.username, user);
    assert_string_equal(jaas.password, password);
}

static void jaas_is_not(const char *text)
{
    struct jaas jaas;
    struct err err = {.text = ""};
    assert_int_equal(jaas_parse(text, &jaas, &err), -EINVAL);
    assert_has_not(err.text, "p4ss");
}

static void test_secret_in_jaas(void **state)
{
    (void)state;
    jaas_is("org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" "
            "password=\"p;\\\"q\";",
            "u", "p;\"q");
    jaas_is(" a.b.ScramLoginModule required\n tokenauth='x' username = u\n password='p' ; ", "u",
            "p");
    jaas_is_not("a.Krb5LoginModule required username=\"u\" password=\"p4ss\";");
    jaas_is_not("a.PlainLoginModule required username=\"u\" password=\"p4ss\"");
    jaas_is_not("a.PlainLoginModule required username=\"u\" password=\"p4ss;");
    jaas_is_not("a.PlainLoginModule optional username=\"u\" password=\"p4ss\";");
    jaas_is_not("a.PlainLoginModule required username=\"u\";");
    jaas_is_not("XPlainLoginModule required username=\"u\" password=\"p4ss\";");
    jaas_is_not("a.PlainLoginModule required = \"p4ss\";");
    jaas_is_not("");
}

static void test_secret_in_jaas_reaches_librdkafka(void **state)
{
    (void)state;
    static const char config[] =
        "x.ScramLoginModule required username=\"bob\" password=\"s3$${cret\";\n";
    struct given g;
    struct err err = {.text = ""};
    write_secret(config, sizeof config - 1, 0600);
    add(table_of(&g), "security.protocol", "sasl_plaintext");
    add(&g, "sasl.mechanism", "SCRAM-SHA-256");
    add(&g, "sasl.jaas.config", file_reference());
    assert_int_equal(kafka_properties_check(&g.table, KAFKA_CONSUMER, &err), 0);
    struct kafka_client *client = make(&g, KAFKA_CONSUMER, &err);
    assert_non_null(client);
    assert_conf(client, "sasl.username", "bob");
    assert_conf(client, "sasl.password", "s3$${cret"); // of a file: taken as it is
    kafka_client_destroy(client);
    unlink(secret_path());
}

// --- errors ---

static void test_error_says_how_to_mend_it(void **state)
{
    (void)state;
    struct given g;
    struct err err;
    table_of(&g);
    static const struct {
        rd_kafka_resp_err_t code;
        const char *reason;
        int rc;
        const char *has;
    } cases[] = {
        {RD_KAFKA_RESP_ERR__TRANSPORT, "Connection refused", -EHOSTUNREACH, "bootstrap.servers"},
        {RD_KAFKA_RESP_ERR__AUTHENTICATION, NULL, -EACCES, "properties.sasl.password"},
        {RD_KAFKA_RESP_ERR__SSL, "certificate verify failed: certificate has expired", -EACCES,
         "renew it"},
        {RD_KAFKA_RESP_ERR__SSL, "certificate verify failed: hostname mismatch", -EACCES,
         "other names"},
        {RD_KAFKA_RESP_ERR__SSL, "certificate verify failed: self-signed certificate", -EACCES,
         "properties.ssl.ca.location"},
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, NULL, -ENOENT, "topic 't' does not exist"},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, NULL, -EACCES, "kafka-acls.sh"},
        {RD_KAFKA_RESP_ERR__FENCED, NULL, -EEXIST, "sink.transactional-id-prefix"},
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, NULL, -EIO, "max.message.bytes"},
        {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, NULL, -EHOSTUNREACH, "topic 't'"},
        {RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, NULL, -ECANCELED, "transaction"},
        {RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, NULL, -EIO, "transaction.max.timeout.ms"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int rc = kafka_error_text(&g.table, cases[i].code, cases[i].reason, "t", &err);
        assert_int_equal(rc, cases[i].rc);
        assert_has(err.text, cases[i].has);
        assert_has(err.text, "127.0.0.1:1");
    }
}

static void test_error_nobody_there(void **state)
{
    (void)state;
    struct given g;
    struct err err = {.text = ""};
    struct heard heard = {.count = 0};
    struct pool pool = {0};
    struct kafka_topics topics;
    struct kafka_trouble trouble;
    table_of(&g)->topics[0] = "t";
    g.table.topic_count = 1;
    struct kafka_client *client = make(&g, KAFKA_PRODUCER, &err);
    assert_non_null(client);
    assert_int_equal(kafka_topics_find(client, 1500, &pool, &topics, &err), -EHOSTUNREACH);
    assert_has(err.text, "no answer from Kafka at 127.0.0.1:1");
    assert_has(err.text, "refused");
    assert_has_not(err.text, "(after"); // the same every time
    while (!kafka_client_trouble(client, &trouble))
        rd_kafka_poll(kafka_client_handle(client), 100);
    assert_int_equal(trouble.fault, KAFKA_FAULT_PASSES);
    assert_has(trouble.reason, "refused");
    kafka_client_tell(client, hear, &heard);
    assert_has(heard.text, "table orders: no answer from Kafka at 127.0.0.1:1");
    assert_in_range(heard.count, 1, 3);
    kafka_client_is_well(client);
    assert_false(kafka_client_trouble(client, &trouble));
    kafka_client_destroy(client);
    pool_fini(&pool);
}

// --- topics ---

// Flink's KafkaSourceEnumerator.getSplitOwner, computed with Java.
static void test_topics_subtask_is_flinks(void **state)
{
    (void)state;
    assert_int_equal(kafka_subtask_of("topic", 0, 1), 0);
    for (int n = 1; n < 9; n++) {
        int first = kafka_subtask_of("orders", 0, n);
        for (int p = 0; p < 32; p++)
            assert_int_equal(kafka_subtask_of("orders", p, n), (first + p) % n);
    }
    // "orders".hashCode() = -1008770331; * 31 & 0x7FFFFFFF = 940374459
    assert_int_equal(kafka_subtask_of("orders", 0, 7), 940374459 % 7);
    assert_int_equal(kafka_subtask_of("orders", 5, 1000), 464);
}

struct mock {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    struct given g;
};

static void open_mock(struct mock *m)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "client.id", "mock", reason, sizeof reason);
    m->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    assert_non_null(m->rk);
    m->cluster = rd_kafka_mock_cluster_new(m->rk, 1);
    assert_non_null(m->cluster);
    rd_kafka_mock_topic_create(m->cluster, "orders-eu", 4, 1);
    rd_kafka_mock_topic_create(m->cluster, "orders-us", 2, 1);
    rd_kafka_mock_topic_create(m->cluster, "payments", 1, 1);
    table_of(&m->g);
    m->g.table.servers = rd_kafka_mock_cluster_bootstraps(m->cluster);
}

static void close_mock(struct mock *m)
{
    rd_kafka_mock_cluster_destroy(m->cluster);
    rd_kafka_destroy(m->rk);
}

static void assert_topic(const struct kafka_topic *topic, const char *name, int partitions)
{
    assert_string_equal(topic->name, name);
    assert_int_equal(topic->error, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(topic->partition_count, partitions);
}

static void test_topics_by_pattern(void **state)
{
    (void)state;
    struct mock m;
    struct err err = {.text = ""};
    struct pool pool = {0};
    struct kafka_topics topics;
    open_mock(&m);
    m.g.table.topics = NULL;
    m.g.table.topic_pattern = "orders-\\w+";
    struct kafka_client *client = make(&m.g, KAFKA_CONSUMER, &err);
    assert_non_null(client);
    assert_int_equal(kafka_topics_find(client, 10000, &pool, &topics, &err), 0);
    assert_int_equal(topics.count, 2);
    assert_topic(&topics.topics[0], "orders-eu", 4);
    assert_topic(&topics.topics[1], "orders-us", 2);
    kafka_client_destroy(client);
    close_mock(&m);
    pool_fini(&pool);
}

static void test_topics_by_list_beside_the_task(void **state)
{
    (void)state;
    struct mock m;
    struct err err = {.text = ""};
    struct pool pool = {0};
    struct kafka_topics topics;
    struct kafka_lookup *lookup = NULL;
    open_mock(&m);
    m.g.topics[0] = "payments";
    m.g.topics[1] = "orders-eu";
    m.g.table.topic_count = 2;
    struct kafka_client *client = make(&m.g, KAFKA_CONSUMER, &err);
    assert_non_null(client);
    assert_int_equal(kafka_lookup_start(client, 10000, NULL, NULL, &lookup), 0);
    while (!kafka_lookup_is_done(lookup))
        usleep(1000);
    if (kafka_lookup_end(lookup, &pool, &topics, &err))
        fail_msg("%s", err.text);
    assert_int_equal(topics.count, 2);
    assert_topic(&topics.topics[0], "orders-eu", 4);
    assert_topic(&topics.topics[1], "payments", 1);
    kafka_client_destroy(client);
    close_mock(&m);
    pool_fini(&pool);
}

static void test_topics_lookup_can_be_called_off(void **state)
{
    (void)state;
    struct given g;
    struct err err = {.text = ""};
    struct kafka_lookup *lookup = NULL;
    table_of(&g)->topics[0] = "t";
    g.table.topic_count = 1;
    struct kafka_client *client = make(&g, KAFKA_CONSUMER, &err);
    assert_non_null(client);
    assert_int_equal(kafka_lookup_start(client, 600000, NULL, NULL, &lookup), 0);
    assert_int_not_equal(kafka_lookup_end(lookup, NULL, NULL, NULL), 0);
    kafka_client_destroy(client);
}

// --- threads ---

// Every thread of librdkafka is where process_cores_beside says, though its maker is pinned.
static void test_client_threads_are_beside_the_task(void **state)
{
    (void)state;
    struct given g;
    struct err err = {.text = ""};
    cpu_set_t before, one;
    int cpu = 0;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    if (CPU_COUNT(&before) < 2)
        skip();
    while (!CPU_ISSET((unsigned)cpu, &before))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET((unsigned)cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    struct kafka_client *client = make(table_of(&g), KAFKA_PRODUCER, &err);
    assert_non_null(client);
    char command[160];
    snprintf(command, sizeof command,
             "grep -h Cpus_allowed_list /proc/%d/task/*/status | grep -vc '\t%d$'", (int)getpid(),
             cpu);
    FILE *out = NULL;
    int beside = 0;
    for (int i = 0; i < 100 && beside < 2; i++) { // they move when they begin
        usleep(10000);
        out = popen(command, "r");
        assert_non_null(out);
        assert_int_equal(fscanf(out, "%d", &beside), 1);
        pclose(out);
    }
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_true(beside >= 2); // main and the bootstrap broker
    kafka_client_destroy(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_properties_are_refused_with_what_to_write),
        cmocka_unit_test(test_properties_of_java_are_left_out),
        cmocka_unit_test(test_properties_go_under_librdkafkas_name),
        cmocka_unit_test(test_properties_of_weir_go_over_the_tables),
        cmocka_unit_test(test_properties_rules_are_whole),
        cmocka_unit_test(test_properties_are_in_the_page),
        cmocka_unit_test(test_security_is_whole_or_refused),
        cmocka_unit_test(test_security_of_java_stores),
        cmocka_unit_test(test_security_literal_secrets_are_refused),
        cmocka_unit_test(test_secret_is_expanded_anywhere),
        cmocka_unit_test(test_secret_that_is_not_there),
        cmocka_unit_test(test_secret_reaches_librdkafka_and_nobody_else),
        cmocka_unit_test(test_secret_is_not_repeated_by_a_complaint),
        cmocka_unit_test(test_secret_that_all_can_read_is_told),
        cmocka_unit_test(test_secret_in_jaas),
        cmocka_unit_test(test_secret_in_jaas_reaches_librdkafka),
        cmocka_unit_test(test_error_says_how_to_mend_it),
        cmocka_unit_test(test_error_nobody_there),
        cmocka_unit_test(test_topics_subtask_is_flinks),
        cmocka_unit_test(test_topics_by_pattern),
        cmocka_unit_test(test_topics_by_list_beside_the_task),
        cmocka_unit_test(test_topics_lookup_can_be_called_off),
        cmocka_unit_test(test_client_threads_are_beside_the_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
