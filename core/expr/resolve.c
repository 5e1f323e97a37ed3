// resolve.c: from a name and typed arguments to one overload: the cheapest in implicit casts wins.
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "core/expr/internal.h"

enum { NO_FIT = 1000000, NAME_LIMIT = 256 };

static const struct expr_function *const tables[] = {
    expr_arith_functions, expr_math_functions,   expr_logic_functions, expr_string_functions,
    expr_text_functions,  expr_digest_functions, expr_regex_functions, expr_like_functions,
    expr_time_functions,  expr_format_functions,
};

static const struct binder *const binder_tables[] = {expr_binders, expr_time_binders};

const char *expr_error_text(enum expr_error error)
{
    switch (error) {
    case EXPR_ERROR_DIVISION_BY_ZERO:
        return "division by zero";
    case EXPR_ERROR_OVERFLOW:
        return "numeric overflow";
    case EXPR_ERROR_CAST:
        return "a CAST failed";
    case EXPR_ERROR_ARGUMENT:
        return "an argument is out of range";
    }
    return "unknown error";
}

static enum type_kind kind_of_letter(char letter)
{
    switch (letter) {
    case 'b':
        return TYPE_BOOLEAN;
    case 'i':
        return TYPE_INT;
    case 'l':
        return TYPE_BIGINT;
    case 'd':
        return TYPE_DOUBLE;
    case 's':
        return TYPE_STRING;
    case 'D':
        return TYPE_DATE;
    case 'I':
        return TYPE_TIME;
    case 't':
        return TYPE_TIMESTAMP;
    case 'z':
        return TYPE_TIMESTAMP_LTZ;
    case 'y':
        return TYPE_INTERVAL_DAY;
    default:
        CHECK(letter == 'm');
        return TYPE_INTERVAL_MONTH;
    }
}

// The letter of parameter `index`, with '*' repeating the one before it.
static char letter_at(const char *args, int index)
{
    int i = 0;
    for (; i < index && args[i + 1] != '\0' && args[i + 1] != '*'; i++)
        ;
    return args[i];
}

static bool count_fits(const char *args, int arg_count)
{
    size_t len = strlen(args);
    if (len && args[len - 1] == '*')
        return arg_count >= (int)len - 1;
    return arg_count == (int)len;
}

static int time_cost(const struct expr *arg, enum type_kind to)
{
    enum type_kind from = arg->type.kind;
    if (from == TYPE_DATE && type_is_timestamp(to))
        return to == TYPE_TIMESTAMP ? 4 : 6;
    if (type_is_timestamp(from) && type_is_timestamp(to))
        return 5;
    bool is_time = to == TYPE_DATE || to == TYPE_TIME || type_is_timestamp(to);
    return is_time && expr_is_string_literal(arg) ? 20 : NO_FIT;
}

static int coercion_cost(const struct expr *arg, enum type_kind to)
{
    enum type_kind from = arg->type.kind;
    if (from == to)
        return 0;
    if (from == TYPE_NULL || (from == TYPE_INT && to == TYPE_BIGINT))
        return 1;
    if ((from == TYPE_INT || from == TYPE_BIGINT) && to == TYPE_DOUBLE)
        return 3;
    return time_cost(arg, to);
}

int expr_coerce(struct pool *pool, struct expr *arg, struct type to, struct expr **out,
                struct err *err)
{
    int cost = coercion_cost(arg, to.kind);
    if (cost >= NO_FIT) {
        struct buf types = {0};
        type_format(&arg->type, &types);
        buf_append_str(&types, " cannot be used as ");
        type_format(&to, &types);
        int code = err_set(err, -EINVAL, "%s without a CAST", buf_str(&types));
        buf_fini(&types);
        return code;
    }
    if (cost == 0) {
        *out = arg;
        return 0;
    }
    int code = expr_cast(pool, arg, to, out, err);
    if (code || !expr_is_string_literal(arg))
        return code;
    *out = expr_fold(pool, *out);
    if ((*out)->kind == EXPR_LITERAL)
        return 0;
    struct buf type = {0};
    type_format(&to, &type);
    code =
        err_set(err, -EINVAL, "'%.*s' is no %s", (int)arg->str.len, arg->str.ptr, buf_str(&type));
    buf_fini(&type);
    return code;
}

void expr_format_types(struct expr *const *args, int arg_count, struct buf *out)
{
    buf_append_char(out, '(');
    for (int i = 0; i < arg_count; i++) {
        struct type type = args[i]->type;
        type.not_null = type.rowtime = false;
        if (i)
            buf_append_str(out, ", ");
        type_format(&type, out);
    }
    buf_append_char(out, ')');
}

int expr_finish_call(struct pool *pool, const struct expr_function *function, struct expr *call,
                     struct err *err)
{
    (void)pool;
    bool not_null = true;
    for (int i = 0; i < call->arg_count; i++)
        not_null &= call->args[i]->type.not_null;
    if (function->result)
        call->type = type_of(kind_of_letter(function->result));
    call->type.not_null = (function->flags & FUNCTION_NOT_NULL) ||
                          (not_null && !(function->flags & FUNCTION_NULLABLE));
    call->type.rowtime = false;
    if (function->derive)
        function->derive(call);
    return function->check ? function->check(call, err) : 0;
}

static int overload_cost(const struct expr_function *f, struct expr **args, int arg_count)
{
    if (!f->args || !count_fits(f->args, arg_count))
        return NO_FIT;
    int cost = 0;
    for (int i = 0; i < arg_count && cost < NO_FIT; i++)
        cost += coercion_cost(args[i], kind_of_letter(letter_at(f->args, i)));
    return cost;
}

// The cheapest overload of the name; *known says whether there is any.
static const struct expr_function *find_overload(const char *name, struct expr **args,
                                                 int arg_count, bool *known)
{
    const struct expr_function *best = NULL;
    int best_cost = NO_FIT;
    for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
        for (const struct expr_function *f = tables[t]; f->name; f++) {
            if ((f->flags & FUNCTION_HIDDEN) || strcasecmp(f->name, name) != 0)
                continue;
            *known = true;
            int cost = overload_cost(f, args, arg_count);
            if (cost < best_cost) {
                best_cost = cost;
                best = f;
            }
        }
    }
    return best;
}

static const struct binder *find_binder(const char *name)
{
    for (size_t t = 0; t < ARRAY_SIZE(binder_tables); t++)
        for (const struct binder *b = binder_tables[t]; b->name; b++)
            if (strcasecmp(b->name, name) == 0)
                return b;
    return NULL;
}

static int refuse_arguments(const char *name, struct expr **args, int arg_count, struct err *err)
{
    struct buf text = {0};
    expr_format_types(args, arg_count, &text);
    buf_append_str(&text, "; it takes ");
    const char *separator = "";
    for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
        for (const struct expr_function *f = tables[t]; f->name; f++) {
            if (strcasecmp(f->name, name) != 0 || !f->args)
                continue;
            buf_printf(&text, "%s(", separator);
            separator = " or ";
            for (int i = 0; f->args[i]; i++) {
                struct type type =
                    type_of(f->args[i] == '*' ? TYPE_NULL : kind_of_letter(f->args[i]));
                if (f->args[i] == '*') {
                    buf_append_str(&text, " ...");
                    continue;
                }
                buf_append_str(&text, i ? ", " : "");
                type_format(&type, &text);
            }
            buf_append_char(&text, ')');
        }
    }
    int code = err_set(err, -EINVAL, "%s does not take %s", name, buf_str(&text));
    buf_fini(&text);
    return code;
}

static int refuse_name(const char *name, struct err *err)
{
    const char *const *names;
    int count = expr_function_names(&names);
    const char *meant = err_suggest(name, names, count);
    err_set(err, -ENOENT, "there is no function %s", name);
    return meant ? err_append(err, -ENOENT, "did you mean %s?", meant) : -ENOENT;
}

int expr_call(struct pool *pool, const char *name, struct expr_args given, struct expr **out,
              struct err *err)
{
    struct expr **args = given.items;
    int arg_count = given.count;
    const struct binder *binder = find_binder(name);
    if (binder && arg_count >= binder->least_args && arg_count <= binder->most_args)
        return binder->bind(pool, args, arg_count, out, err);
    bool known = false;
    const struct expr_function *f = find_overload(name, args, arg_count, &known);
    if (!f && known)
        return refuse_arguments(name, args, arg_count, err);
    if (!f && binder)
        return err_set(err, -EINVAL, "%s does not take %d arguments; write %s", name, arg_count,
                       binder->usage);
    if (!f)
        return refuse_name(name, err);
    struct expr *call = expr_new_call(pool, f, args, arg_count);
    for (int i = 0; i < arg_count; i++) {
        struct type to = type_of(kind_of_letter(letter_at(f->args, i)));
        int code = expr_coerce(pool, args[i], to, &call->args[i], err);
        if (code)
            return code;
    }
    *out = call;
    return expr_finish_call(pool, f, call, err);
}

static bool add_name(const char **names, int *count, const char *name)
{
    if (!isalpha((unsigned char)name[0]))
        return false;
    for (int i = 0; i < *count; i++)
        if (strcasecmp(names[i], name) == 0)
            return false;
    CHECK(*count < NAME_LIMIT);
    names[(*count)++] = name;
    return true;
}

int expr_function_names(const char *const **out)
{
    static const char *names[NAME_LIMIT];
    static int count;
    if (count == 0) {
        for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
            for (const struct expr_function *f = tables[t]; f->name; f++)
                if (!(f->flags & FUNCTION_HIDDEN))
                    add_name(names, &count, f->name);
        for (size_t t = 0; t < ARRAY_SIZE(binder_tables); t++)
            for (const struct binder *b = binder_tables[t]; b->name; b++)
                add_name(names, &count, b->name);
    }
    *out = names;
    return count;
}
