// What the binder refuses, and that each message says where, what, and how to
// mend it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "tests/unit/refusals.h"

#define PERSON                                                                                     \
    "CREATE TABLE person (id STRING, dimension STRING, amount INT,\n"                              \
    "  eventTime TIMESTAMP(3), WATERMARK FOR eventTime AS eventTime - INTERVAL "                   \
    "'4' SECOND)\n"                                                                                \
    "WITH ('connector' = 'filesystem', 'path' = '/in', 'format' = 'json');\n"

#define TVF                                                                                        \
    "FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' "                         \
    "MINUTE)) "
#define GROUPED "FROM person GROUP BY TUMBLE(eventTime, INTERVAL '1' DAY), dimension"
#define EARLY                                                                                      \
    "SET 'table.exec.emit.early-fire.enabled' = 'true';"                                           \
    "SET 'table.exec.emit.early-fire.delay' = '60 s';"

static void test_bind_names_are_suggested(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {PERSON "SELECT dimensoin FROM person;", "dimensoin", "no column 'dimensoin'",
         "'dimension'"},
        {PERSON "SELECT eventtime FROM person;", "eventtime", "no column", "'eventTime'"},
        {PERSON "SELECT id FROM Person;", "Person", "no table or view 'Person'", "'person'"},
        {PERSON "SELECT q.id FROM person AS p;", "q", "no table 'q'", "'p'"},
        {PERSON "SELECT UPPERR(id) FROM person;", "UPPERR", "", NULL},
        {PERSON "INSERT INTO out1 SELECT id FROM person;", "out1", "no table or view", NULL},
        {"SET 'table.exec.emit.early-fire.enable' = 'true';" PERSON "SELECT id FROM person;",
         "'table.exec.emit.early-fire.enable'", "unknown setting", "early-fire.enabled"},
        {"CREATE TABLE t (a INT) WITH ('connector' = 'filesytem');", "'filesytem'",
         "no connector 'filesytem'", "'filesystem'"},
        {"CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'format' = 'json');",
         "WITH ('connector'", "no 'path'", NULL},
        {"CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = "
         "'jsn');",
         "'format'", "'jsn' is not supported", "json"},
        {"CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = "
         "'csv',\n"
         "'csv.field-delimeter' = ';');",
         "'csv.field-delimeter'", "unknown option", "csv.field-delimiter"},
        {"CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = 'x',\n"
         "'format' = 'debezium-json'); SELECT a FROM t;",
         "'format'", "only written", "csv"},
        {"CREATE TABLE t (a INT);", "t (a INT)", "no 'connector'", "WITH ('connector'"},
    };
    check_refusals(cases, ARRAY_SIZE(cases));
}

static void test_bind_what_is_not_supported_is_refused(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {PERSON "SELECT a.id FROM person a JOIN person b ON a.id = b.id;", "JOIN", "joins", "FROM"},
        {PERSON "SELECT id FROM person ORDER BY id;", "ORDER BY", "ORDER BY is not", NULL},
        {PERSON "SELECT id FROM person LIMIT 3;", "LIMIT", "LIMIT", NULL},
        {PERSON "SELECT DISTINCT id FROM person;", "DISTINCT", "SELECT DISTINCT", NULL},
        {PERSON "SELECT id FROM (SELECT id FROM person UNION ALL SELECT id FROM person);",
         "UNION ALL", "inside a query", "at the top"},
        {PERSON "SELECT id, amount FROM person UNION ALL SELECT id FROM person;", "UNION ALL",
         "have 2 and 1 columns", NULL},
        {PERSON "SELECT id FROM person UNION ALL SELECT eventTime FROM person;", "UNION ALL",
         "types that do not go together", "CAST"},
        {"VALUES (1, 2), (3);", "3", "this row has 1 values, the first has 2", NULL},
        {"VALUES (1), (CAST(NULL AS DATE)), (x);", "x", "a constant is expected here", NULL},
        {"SELECT *;", "*", "needs a FROM", NULL},
        {"SELECT k;", "k", "there is no column 'k'", "without FROM"},
        {PERSON "SELECT dimension, COUNT(*) FROM person GROUP BY dimension;", "GROUP BY",
         "without a window", "TUMBLE"},
        {PERSON "SELECT COUNT(*) FROM person;", "SELECT", "without GROUP BY", "TUMBLE"},
        {PERSON "SELECT id FROM person WHERE id IN (SELECT id FROM person);",
         "SELECT id FROM person)", "query inside an expression", NULL},
        {PERSON "SELECT COUNT(*) FROM person GROUP BY SESSION(eventTime, "
                "INTERVAL '1' MINUTE);",
         "SESSION", "SESSION", "CUMULATE"},
        {PERSON "SELECT SUM(amount) OVER (ORDER BY eventTime) FROM person;", "", "OVER", NULL},
        {PERSON "SELECT SUM(DISTINCT amount) " GROUPED ";", "SUM", "SUM(DISTINCT",
         "COUNT(DISTINCT"},
        {PERSON "SELECT LISTAGG(id) " GROUPED ";", "LISTAGG", "not supported yet", "COUNT"},
        {"CREATE TABLE t (a DECIMAL(10, 2)) WITH ('connector' = 'datagen');", "DECIMAL",
         "DECIMAL(10, 2) is not supported", "DOUBLE"},
        {"CREATE TABLE t (a TIMESTAMP(6)) WITH ('connector' = 'datagen');", "TIMESTAMP(6)",
         "not supported", "TIMESTAMP(3)"},
    };
    check_refusals(cases, ARRAY_SIZE(cases));
}

static void test_bind_windows_need_a_time_attribute(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"CREATE TABLE t (id STRING, ts TIMESTAMP(3)) WITH ('connector' = "
         "'datagen');\n"
         "SELECT COUNT(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' DAY);",
         "ts, INTERVAL", "'ts' is not a time attribute", "WATERMARK FOR ts AS ts"},
        {PERSON "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE person, "
                "DESCRIPTOR(amount), INTERVAL '1' "
                "DAY)) GROUP BY window_start, window_end;",
         "amount", "'amount' is not a time attribute", "WATERMARK FOR"},
        {PERSON "SELECT COUNT(*) FROM (SELECT eventTime + INTERVAL '1' SECOND AS "
                "t FROM person) x "
                "GROUP BY TUMBLE(t, INTERVAL '1' DAY);",
         "t, INTERVAL", "not a time attribute", "plain column"},
        {"CREATE TABLE t (ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts) WITH "
         "('connector' = 'datagen');"
         "SET 'table.local-time-zone' = 'Europe/Berlim';"
         "SELECT COUNT(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' DAY);",
         "'Europe/Berlim'", "no time zone", NULL},
        {PERSON "SELECT COUNT(*) FROM person GROUP BY TUMBLE(eventTime, INTERVAL "
                "'1' MONTH);",
         "INTERVAL '1' MONTH", "interval of days", "INTERVAL '30' DAY"},
        {PERSON "SELECT COUNT(*) FROM TABLE(HOP(TABLE person, DESCRIPTOR(eventTime), "
                "INTERVAL '7' "
                "SECOND, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;",
         "HOP", "multiple of the slide", NULL},
        {PERSON "SELECT COUNT(*) FROM TABLE(CUMULATE(TABLE person, "
                "DESCRIPTOR(eventTime), INTERVAL "
                "'7' SECOND, INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;",
         "CUMULATE", "multiple of the step", NULL},
        {PERSON "SELECT COUNT(*) " TVF "GROUP BY window_start;", "GROUP BY", "window_end",
         "GROUP BY window_start, window_end"},
        {PERSON "SELECT COUNT(*) " TVF "WHERE window_end > eventTime GROUP BY window_start, "
                "window_end;",
         "window_end > ", "cannot be used in WHERE", "HAVING"},
        {PERSON "SELECT TUMBLE_END(eventTime, INTERVAL '1' HOUR) " GROUPED ";", "TUMBLE_END",
         "does not belong to the window", "INTERVAL '1' DAY"},
        {EARLY "\n" PERSON "SELECT COUNT(*) " TVF "GROUP BY window_start, window_end;", "TUMBLE",
         "early and late fires", "CUMULATE"},
        {EARLY "\n" PERSON "SELECT COUNT(*) FROM (SELECT "
               "TUMBLE_ROWTIME(eventTime, INTERVAL '1' DAY) "
               "AS t " GROUPED ") x GROUP BY TUMBLE(t, INTERVAL '2' DAY);",
         "t, INTERVAL '2'", "change later", "emit options"},
    };
    check_refusals(cases, ARRAY_SIZE(cases));
}

static void test_bind_groups_and_types(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {PERSON "SELECT id, COUNT(*) " GROUPED ";", "id, COUNT", "neither a group key", "GROUP BY"},
        {PERSON "SELECT * " GROUPED ";", "*", "cannot be selected", NULL},
        {PERSON "SELECT id FROM person WHERE COUNT(*) > 1;", "COUNT", "cannot stand in WHERE",
         NULL},
        {PERSON "SELECT id FROM person HAVING id = 'a';", "id = 'a'", "HAVING needs", "WHERE"},
        {PERSON "SELECT id FROM person WHERE amount;", "amount", "needs a BOOLEAN", NULL},
        {PERSON "SELECT SUM(id) " GROUPED ";", "SUM", "needs a number", NULL},
        {PERSON "SELECT MAX(COUNT(*)) " GROUPED ";", "COUNT", "aggregate", NULL},
        {PERSON "SELECT amount + id FROM person;", "", "", NULL},
        {PERSON "SELECT 99999999999999999999 FROM person;", "9999", "does not fit BIGINT", NULL},
    };
    check_refusals(cases, ARRAY_SIZE(cases));
}

#define OUT(columns, with) "CREATE TABLE result (" columns ") WITH (" with ");\n"
#define PRINT              "'connector' = 'print'"

static void test_bind_inserts(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {PERSON OUT("a STRING, b INT", PRINT) "INSERT INTO result SELECT id FROM person;", "result",
         "1 column, INSERT INTO needs 2", "a, b"},
        {PERSON OUT("a INT", PRINT) "INSERT INTO result SELECT id FROM person;", "id FROM",
         "column 'a' of the sink is INT, the query gives it STRING", "CAST(... AS INT)"},
        {PERSON OUT("a INT", PRINT) "INSERT INTO result (b) SELECT amount FROM person;", "b",
         "no column 'b'", NULL},
        {PERSON OUT("a INT, b INT NOT NULL",
                    PRINT) "INSERT INTO result (a) SELECT amount FROM person;",
         "result", "'b' of the sink is NOT NULL", NULL},
        {PERSON OUT("a BIGINT", "'connector' = 'datagen'") "INSERT INTO result SELECT amount "
                                                           "FROM person;",
         "result", "datagen is a source", "print"},
        {PERSON OUT("a INT", PRINT) "SELECT a FROM result;", "result", "'print' is a sink", NULL},
        {EARLY "\n" PERSON OUT("d STRING, uv BIGINT",
                               "'connector' = 'filesystem', 'path' = 'o', 'format' = "
                               "'json'") "INSERT INTO result SELECT dimension, "
                                         "COUNT(DISTINCT id) AS uv " GROUPED ";",
         "result", "column 'uv' of the query changes", "debezium-json"},
        {EARLY, "", "", NULL},
    };
    check_refusals(cases, ARRAY_SIZE(cases) - 1);
    struct err err = {0};
    assert_true(try_plan(EARLY, &err) < 0);
    assert_non_null(strstr(err.text, "computes nothing"));
}

#define LETTERS(table) "SET 'dead-letter.table' = '" table "';" PERSON "SELECT id FROM person;"
#define TOPIC(columns, with)                                                                       \
    "CREATE TABLE dead (" columns ") WITH ('connector' = 'kafka', 'topic' = 'd', " with            \
    ", 'properties.bootstrap.servers' = 'x:1');"

static void test_bind_dead_letters(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {LETTERS("nobody"), "'nobody'", "no table or view 'nobody'", NULL},
        {LETTERS("person"), "'person'", "cannot go to table 'person'", "'connector' = 'kafka'"},
        {"CREATE VIEW v AS SELECT 1;" LETTERS("v"), "'v'", "'v' is a view", NULL},
        {TOPIC("a STRING", "'format' = 'json'") LETTERS("dead"), "'dead'",
         "cannot take dead letters", "'format' = 'raw'"},
        {TOPIC("a STRING, k STRING",
               "'value.format' = 'raw', 'key.format' = 'raw', 'key.fields' = 'k', "
               "'value.fields-include' = 'EXCEPT_KEY'") LETTERS("dead"),
         "'dead'", "cannot take dead letters", "one column"},
    };
    check_refusals(cases, ARRAY_SIZE(cases));
    const char *sql = TOPIC("a STRING", "'format' = 'raw'") LETTERS("dead");
    const struct plan_settings settings = {
        .file_name = "job.sql", .sql = slice_of(sql), .cores = 1};
    struct plan *plan;
    struct err err = {0};
    assert_int_equal(plan_make(&settings, &plan, &err), 0);
    assert_string_equal(plan->letters->name, "dead");
    plan_free(plan);
}

static const char *const good_scripts[] = {
    PERSON "SELECT * FROM person;",
    PERSON "SELECT COUNT(*) " TVF
           "WHERE window_end > TIMESTAMP '2013-05-16 00:00:00' AND amount > 1 "
           "GROUP BY window_start, window_end;",
    PERSON "SELECT HOUR(window_start), COUNT(*) " TVF
           "GROUP BY window_start, window_end, HOUR(window_start);",
    PERSON "SELECT p.*, amount * 2 AS twice FROM person AS p WHERE id LIKE "
           "'a%' AND amount IS "
           "NOT NULL;",
    PERSON "SELECT CASE WHEN amount > 3 THEN 'big' ELSE 'small' END, "
           "CAST(amount AS STRING) "
           "FROM person;",
    PERSON "SELECT CASE amount WHEN 1 THEN 'one' END FROM person;",
    PERSON "SELECT UPPER(dimension) AS d, COUNT(*) FROM person GROUP BY "
           "TUMBLE(eventTime, "
           "INTERVAL '1' HOUR), UPPER(dimension) HAVING COUNT(*) > 10;",
    PERSON "WITH big AS (SELECT * FROM person WHERE amount > 5) SELECT d, n FROM "
           "(SELECT "
           "dimension AS d, COUNT(*) AS n, window_end FROM TABLE(TUMBLE(TABLE big, "
           "DESCRIPTOR(eventTime), INTERVAL '1' DAY)) GROUP BY window_start, "
           "window_end, "
           "dimension) AS t WHERE n > 1;",
    PERSON "SELECT d, MAX(amount) - MIN(amount) AS spread FROM (SELECT "
           "dimension AS d, "
           "amount, "
           "window_start, window_end " TVF "WHERE amount > 0) x GROUP BY window_start, "
           "window_end, d;",
    PERSON "SELECT window_start, COUNT(*) FROM TABLE(CUMULATE(DATA => TABLE person, "
           "TIMECOL "
           "=> "
           "DESCRIPTOR(eventTime), STEP => INTERVAL '1' MINUTE, SIZE => INTERVAL "
           "'1' HOUR, "
           "`OFFSET` => INTERVAL '30' SECOND)) GROUP BY window_start, window_end;",
    EARLY PERSON OUT("d STRING, uv BIGINT, PRIMARY KEY (d) NOT ENFORCED",
                     "'connector' = 'filesystem', 'path' = 'o', 'format' = "
                     "'debezium-json'") "INSERT INTO result SELECT dimension, "
                                        "COUNT(DISTINCT id) AS uv " GROUPED ";",
    PERSON OUT("t TIMESTAMP_LTZ(3), n DOUBLE, x STRING",
               PRINT) "INSERT INTO result (n, t) SELECT amount, eventTime "
                      "FROM person;",
    PERSON "EXPLAIN SELECT id FROM person;",
    PERSON "CREATE VIEW v (a, b) AS SELECT id, amount FROM person; SELECT b FROM v;",
    PERSON "SELECT id, id FROM person;",
};

static void test_bind_accepts_what_flink_accepts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good_scripts); i++) {
        struct err err = {0};
        if (try_plan(good_scripts[i], &err))
            fail_msg("%s\n%s", good_scripts[i], err.text);
    }
}

// Words of `script` into `out`, each sometimes dropped, doubled, or followed by a piece of another.
static void mutate(const char *script, const char *other, unsigned *seed, struct buf *out)
{
    size_t other_bytes = strlen(other);
    while (*script) {
        size_t word = strcspn(script, " (),;\n") + 1;
        word = word > strlen(script) ? strlen(script) : word;
        unsigned dice = (unsigned)rand_r(seed) % 60;
        if (dice != 0)
            buf_append(out, script, word);
        if (dice == 1)
            buf_append(out, script, word);
        if (dice == 2) {
            const char *from = other + (size_t)rand_r(seed) % other_bytes;
            from += strcspn(from, " (");
            buf_append(out, from, strcspn(from, ");"));
            buf_append_char(out, ' ');
        }
        script += word;
    }
}

static void test_bind_answers_any_script_with_a_plan_or_a_place(void **state)
{
    (void)state;
    unsigned seed = 3;
    int refused = 0, taken = 0;
    printf("seed %u\n", seed);
    for (int round = 0; round < 3000; round++) {
        struct buf sql = {0};
        struct err err = {0};
        const size_t count = ARRAY_SIZE(good_scripts);
        mutate(good_scripts[(size_t)round % count], good_scripts[(size_t)rand_r(&seed) % count],
               &seed, &sql);
        if (try_plan(buf_str(&sql), &err) == 0)
            taken++;
        else if (strncmp(err.text, "job.sql:", 8) == 0)
            refused++;
        else
            fail_msg("%s\n%s", buf_str(&sql), err.text);
        buf_fini(&sql);
    }
    assert_true(refused > 300 && taken > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bind_names_are_suggested),
        cmocka_unit_test(test_bind_what_is_not_supported_is_refused),
        cmocka_unit_test(test_bind_windows_need_a_time_attribute),
        cmocka_unit_test(test_bind_groups_and_types),
        cmocka_unit_test(test_bind_inserts),
        cmocka_unit_test(test_bind_dead_letters),
        cmocka_unit_test(test_bind_accepts_what_flink_accepts),
        cmocka_unit_test(test_bind_answers_any_script_with_a_plan_or_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
