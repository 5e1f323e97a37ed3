// jaas.c: see jaas.h. Words are separated by spaces; a value may stand in quotes, with backslashes.
#include "stages/kafka/jaas.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const char spaces[] = " \t\r\n";

static int refuse(struct err *err, const char *what)
{
    return err_set(err, -EINVAL,
                   "%s; weir understands '...PlainLoginModule required username=\"...\" "
                   "password=\"${file:/path}\";' and ScramLoginModule; or write "
                   "'properties.sasl.username' and 'properties.sasl.password'",
                   what);
}

static bool is_module(const char *word, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    return len >= name_len && memcmp(word + len - name_len, name, name_len) == 0 &&
           (len == name_len || word[len - name_len - 1] == '.');
}

// The word at *at, up to a space, `=` or `;`; moves *at behind it and what spaces follow.
static size_t take_word(const char **at, const char **word)
{
    *word = *at;
    size_t len = strcspn(*at, " \t\r\n=;");
    *at += len;
    *at += strspn(*at, spaces);
    return len;
}

// A value, in quotes or not, into out. NULL: too long, or without its end.
static const char *take_value(const char *at, char out[JAAS_BYTES])
{
    char quote = *at == '"' || *at == '\'' ? *at++ : '\0';
    size_t len = 0;
    while (*at && (quote ? *at != quote : !strchr(" \t\r\n;", *at))) {
        if (quote && *at == '\\' && at[1])
            at++;
        if (len + 1 >= JAAS_BYTES)
            return NULL;
        out[len++] = *at++;
    }
    out[len] = '\0';
    if (quote && *at != quote)
        return NULL;
    return at + (quote != '\0');
}

static int take_option(const char **at, struct jaas *out, struct err *err)
{
    char ignored[JAAS_BYTES];
    const char *word, *end;
    size_t len = take_word(at, &word);
    if (len == 0 || **at != '=')
        return refuse(err, "an option is not of the form name=\"value\"");
    *at += 1 + strspn(*at + 1, spaces);
    if (len == 8 && memcmp(word, "username", 8) == 0)
        end = take_value(*at, out->username);
    else if (len == 8 && memcmp(word, "password", 8) == 0)
        end = take_value(*at, out->password);
    else
        end = take_value(*at, ignored);
    explicit_bzero(ignored, sizeof ignored);
    if (!end)
        return refuse(err, "a value has no end, or is too long");
    *at = end + strspn(end, spaces);
    return 0;
}

int jaas_parse(const char *text, struct jaas *out, struct err *err)
{
    const char *at = text + strspn(text, spaces), *word;
    *out = (struct jaas){{0}, {0}};
    size_t len = take_word(&at, &word);
    if (!is_module(word, len, "PlainLoginModule") && !is_module(word, len, "ScramLoginModule"))
        return refuse(err, "its login module is not one that weir knows");
    len = take_word(&at, &word);
    if (len != 8 || memcmp(word, "required", 8) != 0)
        return refuse(err, "'required' does not follow the login module");
    int rc = 0;
    while (rc == 0 && *at && *at != ';')
        rc = take_option(&at, out, err);
    if (rc < 0)
        return rc;
    if (*at != ';')
        return refuse(err, "there is no ';' at its end");
    if (!out->username[0] || !out->password[0])
        return refuse(err, "username or password is missing");
    return 0;
}
