/*
 * fuzz_conf: the daemon's configuration.
 *
 * Holds: a text that is taken gives a whole configuration; one that is not is refused with a
 * reason. Input: the file.
 */
#include "fuzz/fuzz.h"
#include "milter/conf.h"

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

static void look(const am_conf *c)
{
    am_options o;
    am_ip ip;
    am_conf_options(c, &o);
    FUZZ_NEED(o.receiver && *c->authserv_id && *c->receiver);
    FUZZ_NEED(c->local_networks.n <= AM_CONF_LIST_MAX && c->dns.zones.n <= AM_CONF_LIST_MAX);
    for (unsigned i = 0; i < c->arc.trusted_sealers.n; i++)
        FUZZ_NEED(c->arc.trusted_sealers.item[i]);
    FUZZ_NEED(am_ip_parse(AM_STR("127.0.0.1"), &ip));
    (void)am_conf_class(c, &c->exempt, &ip, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    am_error why = {""};
    if (!write_file(data, size))
        return 0;
    am_conf *c = am_conf_load(path, &why);
    if (c)
        look(c);
    else
        FUZZ_NEED(*why.text);
    am_conf_free(c);
    return 0;
}
