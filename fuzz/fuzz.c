/*
 * fuzz: pieces of the input, and a mutator that repeats.
 *
 * For: the targets of this folder. Waits: never. Memory: nothing is kept. Callers: fuzz targets.
 */
#include "fuzz/fuzz.h"
#include "libauth/base/lex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void fuzz_broken(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

unsigned fuzz_octet(am_str *rest)
{
    if (rest->n == 0)
        return 0;
    unsigned c = (unsigned char)*rest->p;
    *rest = am_str_cut(*rest, 1, rest->n);
    return c;
}

static am_str take(am_str *rest, char end)
{
    size_t n = am_str_find(*rest, end);
    am_str s = am_str_cut(*rest, 0, n);
    *rest = am_str_cut(*rest, n + 1, rest->n);
    return s;
}

am_str fuzz_line(am_str *rest)
{
    return take(rest, '\n');
}

am_str fuzz_word(am_str *rest)
{
    return take(rest, ' ');
}

unsigned fuzz_number(am_str *rest)
{
    unsigned n = 0;
    while (rest->n && am_is(*rest->p, AM_DIGIT) && n < 10000000)
        n = n * 10 + fuzz_octet(rest) - '0';
    return n;
}

am_str fuzz_part(am_str *rest, am_str mark)
{
    size_t i = 0;
    while (i < rest->n && (rest->n - i < mark.n || memcmp(rest->p + i, mark.p, mark.n) != 0))
        i++;
    am_str s = am_str_cut(*rest, 0, i);
    *rest = am_str_cut(*rest, i + mark.n, rest->n);
    return s;
}

bool fuzz_within(am_str part, am_str whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

void fuzz_read(am_str s)
{
    volatile char sink = 0;
    for (size_t i = 0; i < s.n; i++)
        sink = (char)(sink ^ s.p[i]);
}

#ifdef FUZZ_ENGINE
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

/* Now and then a stretch stands many times: what takes more than linear time shows itself. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    if (seed % 64 || size < 2 || size >= max)
        return LLVMFuzzerMutate(data, size, max);
    size_t at = seed / 64 % size, n = seed / 4096 % (size - at < 40 ? size - at : 40) + 1;
    size_t times = (max - size) / n;
    if (times > 1)
        times = seed / 7 % times;
    memmove(data + at + n * times, data + at, size - at);
    if (times > 0)
        memmove(data + at, data + at + n * times, n);
    for (size_t i = n; i < n * times; i++)
        data[at + i] = data[at + i - n];
    return size + n * times;
}
#endif
