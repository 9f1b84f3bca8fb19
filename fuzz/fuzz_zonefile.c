/*
 * fuzz_zonefile: RFC 1035 master files.
 *
 * Holds: no text breaks the reader; what it took answers within bounds. Input: the file.
 */
#include "fuzz/fuzz.h"
#include "libauth/base/domain.h"
#include "libauth/dns/zonefile.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/authmill-fuzz-XXXXXX";
static int fd = -1;

static void remove_file(void)
{
    unlink(path);
}

static bool write_file(const uint8_t *data, size_t size)
{
    if (fd < 0) {
        fd = mkstemp(path);
        atexit(remove_file);
    }
    return fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size;
}

static void ask(const am_zone *z, am_str name)
{
    static const am_dns_type types[] = {AM_DNS_TXT, AM_DNS_A, AM_DNS_AAAA, AM_DNS_MX, AM_DNS_PTR};
    for (size_t i = 0; am_domain_askable(name) && i < sizeof types / sizeof *types; i++) {
        am_answer *x = am_zone_answer(z, name, types[i]);
        FUZZ_NEED(x && (x->pub.status == AM_DNS_DATA) == (x->pub.n > 0));
        for (size_t k = 0; k < x->pub.n; k++)
            fuzz_read(x->pub.rr[k].data);
        am_answer_unref(x);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *file = path;
    am_error why = {""};
    if (!write_file(data, size))
        return 0;
    am_zone *z = am_zone_read(&file, 1, &why);
    if (!z) {
        FUZZ_NEED(*why.text);
        return 0;
    }
    am_str rest = am_str_n(data, size), word = {0};
    ask(z, AM_STR("example.org"));
    for (unsigned i = 0; i < 20 && rest.n; i++) { /* whatever looks like a name */
        am_str line = fuzz_line(&rest);
        word = fuzz_word(&line);
        ask(z, word);
    }
    am_zone_free(z);
    return 0;
}
