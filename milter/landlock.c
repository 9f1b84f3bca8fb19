/*
 * landlock: what the worker can reach of the file system and of TCP.
 *
 * For: milter/sandbox.c. There is no wrapper in the C library, so the three system calls are made
 * by number; what Debian 12's header does not know yet stands here, as the kernel has it
 * (Documentation/userspace-api/landlock.rst). Waits: never. Memory: none. Callers: before any
 * thread is started.
 */
#include "config.h"

#include "milter/landlock.h"

#if defined(__linux__) && defined(HAVE_LINUX_LANDLOCK_H)

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same numbers on every architecture. */
enum { SYS_CREATE = 444, SYS_ADD = 445, SYS_RESTRICT = 446 };

enum { RULE_PATH = 1, RULE_PORT = 2, BIND_TCP = 1 << 0, CONNECT_TCP = 1 << 1 };

typedef struct ruleset {
    uint64_t files, net, scopes;
} ruleset;

typedef struct port_rule {
    uint64_t access, port;
} port_rule;

/* What each version of the kernel's added. */
static const struct {
    int since;
    ruleset adds;
} known[] = {
    {1, {.files = 0x1fff}}, /* execute .. make symbolic link */
    {2, {.files = LANDLOCK_ACCESS_FS_REFER}}, {3, {.files = 1U << 14}}, /* truncate */
    {4, {.net = BIND_TCP | CONNECT_TCP}}, {5, {.files = 1U << 15}},     /* ioctl on devices */
    {6, {.scopes = 1U << 0 | 1U << 1}}, /* abstract unix sockets, signals */
};

int am_landlock_version(void)
{
    long v = syscall(SYS_CREATE, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return v > 0 ? (int)v : 0;
}

/* An older kernel wants the shorter structure. */
static size_t size_for(int version)
{
    return version < 4   ? offsetof(ruleset, net)
           : version < 6 ? offsetof(ruleset, scopes)
                         : sizeof(ruleset);
}

static bool add_file(int set, const char *path)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR;
    struct landlock_path_beneath_attr a = {
        .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE, .parent_fd = fd};
    bool good = syscall(SYS_ADD, set, RULE_PATH, &a, 0) == 0;
    close(fd);
    return good;
}

static bool add_port(int set, uint64_t access, unsigned port)
{
    port_rule a = {.access = access, .port = port};
    return syscall(SYS_ADD, set, RULE_PORT, &a, 0) == 0;
}

static bool fill(int set, const am_landlock_rules *r, bool net)
{
    bool good = true;
    for (size_t i = 0; i < r->n_readable; i++)
        good = good && add_file(set, r->readable[i]);
    if (!net)
        return good;
    for (size_t i = 0; i < r->n_ports; i++)
        good = good && add_port(set, CONNECT_TCP, r->ports[i]);
    return good && add_port(set, BIND_TCP, 0);
}

bool am_landlock_enter(const am_landlock_rules *r, am_error *why)
{
    ruleset all = {0};
    int version = am_landlock_version();
    if (version == 0)
        return true;
    for (size_t i = 0; i < sizeof known / sizeof *known && known[i].since <= version; i++) {
        all.files |= known[i].adds.files;
        all.net |= known[i].adds.net;
        all.scopes |= known[i].adds.scopes;
    }
    int set = (int)syscall(SYS_CREATE, &all, size_for(version), 0);
    bool good = set >= 0 && fill(set, r, all.net != 0) && syscall(SYS_RESTRICT, set, 0) == 0;
    if (!good)
        am_error_set(why, "Landlock: %s", strerror(errno));
    if (set >= 0)
        close(set);
    return good;
}

#else

int am_landlock_version(void)
{
    return 0;
}

bool am_landlock_enter(const am_landlock_rules *r, am_error *why)
{
    (void)r;
    (void)why;
    return true;
}

#endif
