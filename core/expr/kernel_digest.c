// kernel_digest.c: MD5 and SHA of a text's bytes, in lower-case hex; nettle computes them.
#include <errno.h>
#include <nettle/md5.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>

#include "core/expr/text_kernel.h"

enum { DIGEST_BYTES_MAX = 64 };

static struct slice hex_of(struct kernel *k, const uint8_t *digest, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    CHECK(bytes <= DIGEST_BYTES_MAX);
    char *out = scratch_bytes(k, 2 * bytes);
    for (size_t i = 0; i < bytes; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    return slice_make(out, 2 * bytes);
}

#define DIGEST(name, context, init, update, finish, size)                                          \
    static struct slice name(struct kernel *k, struct slice text)                                  \
    {                                                                                              \
        struct context state;                                                                      \
        uint8_t digest[DIGEST_BYTES_MAX];                                                          \
        init(&state);                                                                              \
        update(&state, text.len, (const uint8_t *)text.ptr);                                       \
        finish(&state, size, digest);                                                              \
        return hex_of(k, digest, size);                                                            \
    }

DIGEST(md5, md5_ctx, md5_init, md5_update, md5_digest, MD5_DIGEST_SIZE)
DIGEST(sha1, sha1_ctx, sha1_init, sha1_update, sha1_digest, SHA1_DIGEST_SIZE)
DIGEST(sha224, sha256_ctx, sha224_init, sha256_update, sha224_digest, SHA224_DIGEST_SIZE)
DIGEST(sha256, sha256_ctx, sha256_init, sha256_update, sha256_digest, SHA256_DIGEST_SIZE)
DIGEST(sha384, sha512_ctx, sha384_init, sha512_update, sha384_digest, SHA384_DIGEST_SIZE)
DIGEST(sha512, sha512_ctx, sha512_init, sha512_update, sha512_digest, SHA512_DIGEST_SIZE)

// SHA2(text, bits). A number of bits that there is not is an error, as in Flink.
static struct slice sha2(struct kernel *k, uint32_t i)
{
    switch (INT(1)) {
    case 224:
        return sha224(k, STR(0));
    case 256:
        return sha256(k, STR(0));
    case 384:
        return sha384(k, STR(0));
    case 512:
        return sha512(k, STR(0));
    default:
        return text_error(k, i, EXPR_ERROR_ARGUMENT);
    }
}

static int check_sha2(const struct expr *call, struct err *err)
{
    const struct expr *bits = call->args[1];
    if (bits->kind != EXPR_LITERAL || bits->is_null || bits->i64 == 224 || bits->i64 == 256 ||
        bits->i64 == 384 || bits->i64 == 512)
        return 0;
    return err_set(err, -EINVAL, "SHA2 has 224, 256, 384 or 512 bits");
}

STRING_RESULT(md5_kernel, md5(k, STR(0)))
STRING_RESULT(sha1_kernel, sha1(k, STR(0)))
STRING_RESULT(sha224_kernel, sha224(k, STR(0)))
STRING_RESULT(sha256_kernel, sha256(k, STR(0)))
STRING_RESULT(sha384_kernel, sha384(k, STR(0)))
STRING_RESULT(sha512_kernel, sha512(k, STR(0)))
STRING_RESULT(sha2_kernel, sha2(k, i))

#define CHAR_RESULT(name, chars)                                                                   \
    static void name(struct expr *call)                                                            \
    {                                                                                              \
        call->type.length = chars;                                                                 \
        call->type.fixed_length = true;                                                            \
    }

CHAR_RESULT(char_32, 32)
CHAR_RESULT(char_40, 40)
CHAR_RESULT(char_56, 56)
CHAR_RESULT(char_64, 64)
CHAR_RESULT(char_96, 96)
CHAR_RESULT(char_128, 128)

static void varchar_128(struct expr *call)
{
    call->type.length = 128;
}

#define HASH(name, kernel, derive)                                                                 \
    {                                                                                              \
        name, "s", 's', 0, kernel, derive, NULL, NULL, NULL                                        \
    }

const struct expr_function expr_digest_functions[] = {
    HASH("MD5", md5_kernel, char_32),
    HASH("SHA1", sha1_kernel, char_40),
    HASH("SHA224", sha224_kernel, char_56),
    HASH("SHA256", sha256_kernel, char_64),
    HASH("SHA384", sha384_kernel, char_96),
    HASH("SHA512", sha512_kernel, char_128),
    {"SHA2", "si", 's', FUNCTION_PARTIAL, sha2_kernel, varchar_128, check_sha2, NULL, NULL},
    {0},
};
