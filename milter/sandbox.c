/*
 * sandbox: the worker's walls.
 *
 * For: milter/worker.c, when its files are open and root is dropped, before any thread is started;
 * and the supervisor, which says what is in force. Two tables say it all: which files and ports
 * stay within reach (milter/landlock.c), and which system calls, with which arguments. Written by
 * name, so that they mean the same on every architecture; a name that the installed libseccomp
 * does not know yet is refused like all others. Waits: never. Memory: libseccomp's, freed here.
 */
#include "config.h"

#include "milter/sandbox.h"
#include "milter/landlock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

/* Sanitizers open files, map code and trace their own process: they cannot live in here. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BUILT_WITH_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define BUILT_WITH_SANITIZER 1
#endif
#endif
#ifndef BUILT_WITH_SANITIZER
#define BUILT_WITH_SANITIZER 0
#endif

/* ---- In every case ---- */

bool am_sandbox_harden(am_error *why)
{
    struct rlimit none = {0, 0};
    bool good = setrlimit(RLIMIT_CORE, &none) == 0;
#ifdef __linux__
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct empty[_LINUX_CAPABILITY_U32S_3] = {{0}};
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* before 4.3: there are none */
    good = good && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_capset, &head, empty) == 0;
#endif
    if (!good)
        am_error_set(why, "privileges cannot be given up: %s", strerror(errno));
    return good;
}

void am_sandbox_trim(void)
{
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
#ifdef __linux__
    const uint32_t kept = 1U << CAP_SETUID | 1U << CAP_SETGID | 1U << CAP_KILL |
                          1U << CAP_DAC_OVERRIDE; /* a configuration that is not root's */
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = {{0}};
    for (unsigned i = 0; i < 64; i++)
        if (i >= 32 || !(kept >> i & 1))
            (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_capget, &head, have) != 0)
        return;
    have[0].effective = have[0].permitted &= kept;
    have[1].effective = have[1].permitted = have[0].inheritable = have[1].inheritable = 0;
    (void)syscall(SYS_capset, &head, have);
#endif
}

/* ---- Files and ports ---- */

/* What libraries read late: code that is loaded on demand, the resolver's files (libopendkim calls
 * res_init), the time zone (syslog), OpenSSL's configuration. No secret stands in them. */
static const char *const system_files[] = {"/lib", "/lib64", "/usr/lib", "/usr/lib64",
    "/usr/local/lib", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/localtime",
    "/etc/resolv.conf", "/etc/host.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf",
    "/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf", "/dev/null", "/dev/urandom"};

enum { SYSTEM_FILES = sizeof system_files / sizeof *system_files };

/* Port of "ADDR" or "ADDR@PORT": am_conf_load has checked it. */
static unsigned port_of(const char *server)
{
    const char *at = strchr(server, '@');
    return at ? (unsigned)strtoul(at + 1, NULL, 10) : 53;
}

static bool bind_reach(const am_conf *c, am_error *why)
{
    const char *file[SYSTEM_FILES + 1];
    unsigned port[1 + AM_CONF_LIST_MAX];
    am_landlock_rules r = {
        .readable = file, .n_readable = SYSTEM_FILES + 1, .ports = port, .n_ports = 1};
    memcpy(file, system_files, sizeof system_files);
    file[SYSTEM_FILES] = c->dns.resolv_conf;
    port[0] = 53; /* those of resolv.conf */
    for (unsigned i = 0; i < c->dns.nameservers.n; i++)
        port[r.n_ports++] = port_of(c->dns.nameservers.item[i]);
    return am_landlock_enter(&r, why);
}

/* ---- System calls ---- */

#ifdef HAVE_LIBSECCOMP

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* With any arguments: they act on what is open already, on time, or on this process. */
static const char *const allowed[] = {
    /* what is open */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "close", "lseek", "_llseek", "dup",
    "dup2", "dup3", "pipe", "pipe2", "fsync", "fdatasync", "fstat", "fstat64", "poll", "ppoll",
    "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64", "epoll_create",
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "eventfd", "eventfd2",
    /* sockets */
    "accept", "accept4", "bind", "connect", "listen", "shutdown", "recv", "recvfrom", "recvmsg",
    "recvmmsg", "recvmmsg_time64", "send", "sendto", "sendmsg", "sendmmsg", "getsockname",
    "getpeername", "getsockopt", "setsockopt",
    /* looking at files: Landlock and the modes say which */
    "stat", "stat64", "lstat", "lstat64", "newfstatat", "fstatat64", "statx", "access", "faccessat",
    "faccessat2", "readlink", "readlinkat", "getcwd",
    /* memory and threads */
    "brk", "munmap", "mremap", "madvise", "futex", "futex_time64", "set_robust_list",
    "get_robust_list", "rseq", "membarrier", "sched_yield", "sched_getaffinity", "set_tid_address",
    "exit", "exit_group", "restart_syscall",
    /* signals to ourselves */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait",
    "rt_sigtimedwait_time64", "sigreturn", "sigaltstack",
    /* time, chance, identity */
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "clock_nanosleep",
    "clock_nanosleep_time64", "nanosleep", "gettimeofday", "time", "getrandom", "getpid", "getppid",
    "gettid", "getuid", "geteuid", "getgid", "getegid", "getuid32", "geteuid32", "getgid32",
    "getegid32", "getrusage", "getrlimit", "ugetrlimit", "uname", "sysinfo"};

/* Libraries try these and have another way: they must hear that there is no such call. */
static const char *const unknown[] = {"clone3", "openat2", "close_range", "epoll_pwait2",
    "futex_waitv", "process_madvise", "io_uring_setup"};

/* No library that we use makes these: whoever does is an intruder, and the worker ends at once. */
static const char *const deadly[] = {"execve", "execveat", "ptrace", "process_vm_readv",
    "process_vm_writev", "fork", "vfork", "setuid", "setgid", "setreuid", "setregid", "setresuid",
    "setresgid", "setuid32", "setgid32", "setreuid32", "setregid32", "setresuid32", "setresgid32",
    "setgroups", "setgroups32", "capset", "mount", "umount", "umount2", "move_mount", "open_tree",
    "fsopen", "fsmount", "pivot_root", "chroot", "unshare", "setns", "bpf", "perf_event_open",
    "userfaultfd", "open_by_handle_at", "name_to_handle_at", "init_module", "finit_module",
    "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "keyctl",
    "add_key", "request_key", "io_uring_enter", "io_uring_register", "pidfd_getfd",
    "pidfd_send_signal", "personality", "modify_ldt", "iopl", "ioperm", "acct", "quotactl",
    "sethostname", "setdomainname", "settimeofday", "clock_settime", "kcmp", "lookup_dcookie"};

/* Allowed when (argument & mask) == value holds for each condition. */
typedef struct rule {
    const char *name;
    unsigned n;
    struct {
        unsigned argument;
        uint64_t mask, value;
    } where[2];
} rule;

#define ALL 0xffffffffU /* the kernel looks at 32 bits of these */
#define IS(arg, word)                                                                              \
    1,                                                                                             \
    {                                                                                              \
        {                                                                                          \
            (arg), ALL, (word)                                                                     \
        }                                                                                          \
    }
#define NEW_THREAD (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)
#define NEW_SPACE                                                                                  \
    (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#if defined(__s390__) || defined(__cris__)
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif
#define MAKES (O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))

static const rule bounded[] = {
    {"socket", IS(0, AF_UNIX)}, {"socket", IS(0, AF_INET)}, {"socket", IS(0, AF_INET6)},
    /* read only */
    {"open", 1, {{1, MAKES, O_RDONLY}}}, {"openat", 1, {{2, MAKES, O_RDONLY}}},
#if defined(__s390__)
    {"mmap", 0, {{0}}}, /* its arguments are in memory, where no filter can look */
#else /* no memory is ever writable and code, at once or in turn; code comes from files alone */
    {"mmap", 1, {{2, PROT_EXEC, 0}}},
    {"mmap", 2, {{2, PROT_WRITE | PROT_EXEC, PROT_EXEC}, {3, MAP_ANONYMOUS, 0}}},
#endif
    {"mmap2", 1, {{2, PROT_EXEC, 0}}},
    {"mmap2", 2, {{2, PROT_WRITE | PROT_EXEC, PROT_EXEC}, {3, MAP_ANONYMOUS, 0}}},
    {"mprotect", 1, {{2, PROT_EXEC, 0}}},
    /* threads, not processes */
    {"clone", 1, {{CLONE_FLAGS, NEW_THREAD | NEW_SPACE, NEW_THREAD}}}, {"fcntl", IS(1, F_DUPFD)},
    {"fcntl", IS(1, F_DUPFD_CLOEXEC)}, {"fcntl", IS(1, F_GETFD)}, {"fcntl", IS(1, F_SETFD)},
    {"fcntl", IS(1, F_GETFL)}, {"fcntl", IS(1, F_SETFL)}, {"fcntl64", IS(1, F_DUPFD)},
    {"fcntl64", IS(1, F_DUPFD_CLOEXEC)}, {"fcntl64", IS(1, F_GETFD)}, {"fcntl64", IS(1, F_SETFD)},
    {"fcntl64", IS(1, F_GETFL)}, {"fcntl64", IS(1, F_SETFL)}, {"ioctl", IS(1, FIONREAD)},
    {"ioctl", IS(1, FIONBIO)}, {"ioctl", IS(1, TCGETS)}, /* isatty() */
    {"prctl", IS(0, PR_SET_NAME)}, {"prctl", IS(0, PR_GET_NAME)},
    {"prctl", IS(0, 0x53564d41)}, /* PR_SET_VMA: malloc gives its memory a name */
    {"prlimit64", 2, {{0, ALL, 0}, {2, ~(uint64_t)0, 0}}}, /* own limits, looked at */
};

#define EACH(i, table) (size_t i = 0; i < sizeof(table) / sizeof *(table); i++)

/* A name that this libseccomp does not know stays refused; one that this architecture does not
 * have gets a number below 0, which libseccomp leaves out. */
static bool add(scmp_filter_ctx f, uint32_t action, const char *name, unsigned n,
    const struct scmp_arg_cmp *where)
{
    int number = seccomp_syscall_resolve_name(name);
    return number == __NR_SCMP_ERROR || seccomp_rule_add_array(f, action, number, n, where) == 0;
}

static bool add_bounded(scmp_filter_ctx f, const rule *r)
{
    struct scmp_arg_cmp where[2];
    for (unsigned i = 0; i < r->n; i++)
        where[i] = (struct scmp_arg_cmp){.arg = r->where[i].argument,
            .op = SCMP_CMP_MASKED_EQ,
            .datum_a = r->where[i].mask,
            .datum_b = r->where[i].value};
    return add(f, SCMP_ACT_ALLOW, r->name, r->n, where);
}

static bool fill(scmp_filter_ctx f)
{
    const struct scmp_arg_cmp own = {
        .arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = ALL, .datum_b = (scmp_datum_t)getpid()};
    bool good = add(f, SCMP_ACT_ALLOW, "tgkill", 1, &own); /* abort() */
    for
        EACH(i, allowed)
    good = good && add(f, SCMP_ACT_ALLOW, allowed[i], 0, NULL);
    for
        EACH(i, bounded)
    good = good && add_bounded(f, &bounded[i]);
    for
        EACH(i, unknown)
    good = good && add(f, SCMP_ACT_ERRNO(ENOSYS), unknown[i], 0, NULL);
    for
        EACH(i, deadly)
    good = good && add(f, SCMP_ACT_KILL_PROCESS, deadly[i], 0, NULL);
    return good;
}

bool am_sandbox_filter(const am_conf *c, am_error *why)
{
    (void)c;
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    bool good = f && seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
                seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1) == 0 && fill(f);
    if (good)
        (void)seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree; older ones have none */
    int e = good ? seccomp_load(f) : -ENOMEM;
    if (e != 0)
        am_error_set(why, "seccomp: %s; a kernel without it needs sandbox = no", strerror(-e));
    seccomp_release(f);
    return e == 0;
}

enum { HAS_FILTER = 1 };

#else

bool am_sandbox_filter(const am_conf *c, am_error *why)
{
    (void)c;
    (void)why;
    return true;
}

enum { HAS_FILTER = 0 };

#endif

/* ---- Both ---- */

bool am_sandbox_enter(const am_conf *c, am_error *why)
{
    if (!c->sandbox || BUILT_WITH_SANITIZER)
        return true;
    return bind_reach(c, why) && am_sandbox_filter(c, why);
}

const char *am_sandbox_describe(const am_conf *c, char *text, size_t size)
{
    char landlock[32] = "no Landlock in this kernel";
    int version = am_landlock_version();
    if (version > 0)
        snprintf(landlock, sizeof landlock, "Landlock (version %d)", version);
    if (!c->sandbox)
        snprintf(text, size, "off (sandbox = no)");
    else if (BUILT_WITH_SANITIZER)
        snprintf(text, size, "off (built with a sanitizer)");
    else
        snprintf(text, size, "%s, %s", HAS_FILTER ? "seccomp" : "built without seccomp", landlock);
    return text;
}
