// check.h: assertions that stay on in release builds.
//
// They catch our own bugs only: bytes from a file, a network or another process are input and are
// validated, never asserted. A failed check aborts; the supervisor sees the signal and recovers.
#ifndef WEIR_CORE_BASE_CHECK_H
#define WEIR_CORE_BASE_CHECK_H

// Print the failed condition on stderr and abort. Never returns.
_Noreturn void check_failed(const char *condition, const char *file, int line);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            check_failed(#condition, __FILE__, __LINE__);                                          \
    } while (0)

// Checks that cost too much on a hot path: on in test and sanitizer builds only.
#ifdef WEIR_DEBUG_CHECKS
#define CHECK_DEBUG(condition) CHECK(condition)
#else
#define CHECK_DEBUG(condition) ((void)0)
#endif

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define LIKELY(x)         __builtin_expect(!!(x), 1)
#define UNLIKELY(x)       __builtin_expect(!!(x), 0)

#endif
