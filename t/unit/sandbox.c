/* sandbox: what the worker can still do; each try in a child of its own. */
#include "config.h"

#include "milter/landlock.h"
#include "milter/sandbox.h"
#include "t/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef HAVE_LIBSECCOMP
enum { HAS_FILTER = 1 };
#else
enum { HAS_FILTER = 0 };
#endif

/* What a try gives: 0, or an errno. */
typedef int attempt(void);

enum { KILLED = 1000 }; /* and the signal added */

static am_conf *conf;

static int errno_of(long r)
{
    return r < 0 ? errno : 0;
}

/* In a child: prepares, tries, and tells by its status. */
static int in_child(bool (*prepare)(am_error *), attempt *try)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        am_error why = {""};
        if (!prepare(&why)) {
            fprintf(stderr, "# %s\n", why.text);
            _exit(255);
        }
        _exit(try());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? KILLED + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- Preparations ---- */

static bool nothing(am_error *why)
{
    (void)why;
    return true;
}

static bool landlock(am_error *why)
{
    static const char *const file[] = {"/etc/passwd", "/usr/lib"};
    static const unsigned port = 9;
    const am_landlock_rules r = {file, 2, &port, 1};
    return am_sandbox_harden(why) && am_landlock_enter(&r, why);
}

static bool filter(am_error *why)
{
    return am_sandbox_harden(why) && am_sandbox_filter(conf, why);
}

static bool sandbox(am_error *why)
{
    return am_sandbox_harden(why) && am_sandbox_enter(conf, why);
}

static bool dropped(am_error *why)
{
    (void)why;
    return setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0;
}

/* ---- Tries ---- */

static int try_execve(void)
{
    char *argument[] = {NULL};
    return errno_of(execve("/bin/true", argument, argument));
}

static int try_execveat(void)
{
    char *argument[] = {NULL};
    return errno_of(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argument, argument, 0));
}

static int try_ptrace(void)
{
    return errno_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_vm_read(void)
{
    char octet = 'x', to;
    struct iovec from = {&octet, 1}, into = {&to, 1};
    return errno_of(process_vm_readv(getpid(), &into, 1, &from, 1, 0));
}

static int try_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return errno_of(pid);
}

static int try_setuid(void)
{
    return errno_of(setuid(getuid()));
}

static int try_unshare(void)
{
    return errno_of(unshare(CLONE_NEWUSER));
}

static int try_kill(void)
{
    return errno_of(kill(getppid(), 0));
}

static int try_signal_parent(void)
{
    return errno_of(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int open_one(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    int e = errno_of(fd);
    if (fd >= 0)
        close(fd);
    return e;
}

static int try_shadow(void)
{
    return open_one("/etc/shadow", O_RDONLY);
}

static int try_passwd(void)
{
    return open_one("/etc/passwd", O_RDONLY);
}

static int try_proc(void)
{
    return open_one("/proc/1/environ", O_RDONLY);
}

static int try_resolv_conf(void)
{
    return open_one("/etc/resolv.conf", O_RDONLY);
}

static int try_write(void)
{
    return open_one("/tmp/authmill-sandbox-test", O_WRONLY | O_CREAT);
}

static int try_write_existing(void)
{
    return open_one("/dev/null", O_RDWR);
}

static int try_listing(void)
{
    return open_one("/etc", O_RDONLY | O_DIRECTORY);
}

static int socket_of(int domain, int type)
{
    int fd = socket(domain, type | SOCK_CLOEXEC, 0);
    int e = errno_of(fd);
    if (fd >= 0)
        close(fd);
    return e;
}

static int try_udp(void)
{
    return socket_of(AF_INET, SOCK_DGRAM);
}

static int try_tcp6(void)
{
    int e = socket_of(AF_INET6, SOCK_STREAM);
    return e == EAFNOSUPPORT ? 0 : e;
}

static int try_unix(void)
{
    return socket_of(AF_UNIX, SOCK_DGRAM);
}

static int try_netlink(void)
{
    return socket_of(AF_NETLINK, SOCK_RAW);
}

static int try_packet(void)
{
    return socket_of(AF_PACKET, SOCK_RAW);
}

static int tcp_to(unsigned port, bool binds)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int e = errno_of(binds ? bind(fd, (struct sockaddr *)&sa, sizeof sa)
                           : connect(fd, (struct sockaddr *)&sa, sizeof sa));
    close(fd);
    return e == ECONNREFUSED ? 0 : e; /* it was let out */
}

static int try_connect_smtp(void)
{
    return tcp_to(25, false);
}

static int try_connect_dns(void)
{
    return tcp_to(53, false);
}

static int try_connect_configured(void)
{
    return tcp_to(5353, false);
}

static int try_bind_port(void)
{
    return tcp_to(8891, true);
}

static int try_bind_any(void)
{
    return tcp_to(0, true);
}

static int map(int protection)
{
    void *p = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? errno : 0;
}

static int try_map_data(void)
{
    return map(PROT_READ | PROT_WRITE);
}

static int try_map_code(void)
{
    return map(PROT_READ | PROT_EXEC);
}

static int try_map_both(void)
{
    return map(PROT_READ | PROT_WRITE | PROT_EXEC);
}

static int try_turn_into_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? 99 : errno_of(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static void *thread(void *unused)
{
    return unused;
}

static int try_thread(void)
{
    pthread_t t;
    int e = pthread_create(&t, NULL, thread, NULL);
    return e ? e : pthread_join(t, NULL);
}

static void *exiting(void *unused)
{
    pthread_exit(unused); /* loads libgcc_s */
}

static int try_thread_exit(void)
{
    pthread_t t;
    int e = pthread_create(&t, NULL, exiting, NULL);
    return e ? e : pthread_join(t, NULL);
}

static int try_abort(void)
{
    abort();
}

static int try_random(void)
{
    char octet;
    return errno_of(syscall(SYS_getrandom, &octet, 1, 0));
}

static int try_clone3(void)
{
    return errno_of(syscall(SYS_clone3, NULL, 0));
}

static int try_limit(void)
{
    struct rlimit r;
    return errno_of(getrlimit(RLIMIT_NOFILE, &r));
}

static int try_raise_limit(void)
{
    struct rlimit r = {10, 10};
    return errno_of(setrlimit(RLIMIT_NOFILE, &r));
}

static int try_dumpable(void)
{
    return errno_of(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int try_sysctl(void)
{
    return open_one("/proc/sys/kernel/hostname", O_RDONLY);
}

/* ---- The tables ---- */

typedef struct row {
    const char *what;
    attempt *try;
    int want;
} row;

#define DIES (KILLED + SIGSYS)

static const row by_filter[] = {
    {"execve", try_execve, DIES},
    {"execveat", try_execveat, DIES},
    {"ptrace", try_ptrace, DIES},
    {"process_vm_readv", try_vm_read, DIES},
    {"setuid", try_setuid, DIES},
    {"unshare", try_unshare, DIES},
    {"fork", try_fork, EPERM},
    {"a signal to the parent", try_kill, EPERM},
    {"tgkill to the parent", try_signal_parent, EPERM},
    {"abort() is our own business", try_abort, KILLED + SIGABRT},
    {"a new file", try_write, EPERM},
    {"a file for writing", try_write_existing, EPERM},
    {"a file for reading", try_passwd, 0},
    {"UDP", try_udp, 0},
    {"TCP over IPv6", try_tcp6, 0},
    {"a unix socket (syslog)", try_unix, 0},
    {"netlink", try_netlink, EPERM},
    {"raw packets", try_packet, EPERM},
    {"memory for data", try_map_data, 0},
    {"memory for code", try_map_code, EPERM},
    {"memory for both", try_map_both, EPERM},
    {"data into code", try_turn_into_code, EPERM},
    {"a thread", try_thread, 0},
    {"clone3: libraries have another way", try_clone3, ENOSYS},
    {"random numbers", try_random, 0},
    {"own limits, read", try_limit, 0},
    {"own limits, set", try_raise_limit, EPERM},
    {"cores again", try_dumpable, EPERM},
};

static const row by_landlock[] = {
    {"/etc/shadow", try_shadow, EACCES},
    {"what is on the list", try_passwd, 0},
    {"a new file", try_write, EACCES},
    {"a directory's list", try_listing, EACCES},
    {"/proc", try_proc, EACCES},
};

static const row by_landlock_4[] = {
    {"SMTP", try_connect_smtp, EACCES},
    {"a port of one's own", try_bind_port, EACCES},
    {"a port that the kernel chooses", try_bind_any, 0},
};

static const row by_both[] = {
    {"execve", try_execve, DIES},
    {"ptrace", try_ptrace, DIES},
    {"/etc/shadow", try_shadow, EACCES},
    {"/etc/passwd", try_passwd, EACCES},
    {"/proc/1/environ", try_proc, EACCES},
    {"/proc/sys", try_sysctl, EACCES},
    {"/etc/resolv.conf", try_resolv_conf, 0},
    {"SMTP", try_connect_smtp, EACCES},
    {"DNS over TCP", try_connect_dns, 0},
    {"DNS over TCP, configured port", try_connect_configured, 0},
    {"a thread that ends by pthread_exit", try_thread_exit, 0},
};

static void run(bool (*prepare)(am_error *), const row *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        want_int(r[i].what, in_child(prepare, r[i].try), r[i].want);
}

#define RUN(prepare, table) run(prepare, table, sizeof(table) / sizeof *(table))

static void without(void **state)
{
    (void)state;
    /* Else the others would prove nothing. */
    want_int("execve", in_child(nothing, try_execve), 0);
    want_int("ptrace", in_child(nothing, try_ptrace), 0);
    want_int("a new file", in_child(nothing, try_write), 0);
    want_int("code", in_child(nothing, try_map_both), 0);
    want_int("fork", in_child(nothing, try_fork), 0);
    if (geteuid() == 0)
        want_int("/etc/shadow, root", in_child(nothing, try_shadow), 0);
    unlink("/tmp/authmill-sandbox-test");
}

static void user(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    want_int("/etc/shadow", in_child(dropped, try_shadow), EACCES);
}

static int look_at_privileges(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = {{0}};
    struct rlimit r;
    if (syscall(SYS_capget, &head, have) != 0 || have[0].permitted || have[1].permitted ||
        have[0].effective || have[0].inheritable)
        return 1;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 2;
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        return 3;
    return getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_max == 0 ? 0 : 4;
}

static void hardened(void **state)
{
    (void)state;
    want_int("no capability, no new privileges, no core",
        in_child(am_sandbox_harden, look_at_privileges), 0);
}

static void filtered(void **state)
{
    (void)state;
#ifdef SANITIZED
    skip();
#endif
    if (!HAS_FILTER)
        skip();
    RUN(filter, by_filter);
}

static void landlocked(void **state)
{
    (void)state;
    int version = am_landlock_version();
    if (version == 0)
        skip();
    RUN(landlock, by_landlock);
    if (version >= 4)
        RUN(landlock, by_landlock_4);
}

static void walled(void **state)
{
    (void)state;
#ifdef SANITIZED
    skip();
#endif
    if (!HAS_FILTER || am_landlock_version() < 4)
        skip();
    RUN(sandbox, by_both);
}

static void switched_off(void **state)
{
    (void)state;
    char text[120];
    conf->sandbox = false;
    want_int("execve", in_child(sandbox, try_execve), 0);
    want_str("said", am_str_of(am_sandbox_describe(conf, text, sizeof text)), "off (sandbox = no)");
    conf->sandbox = true;
    assert_int_not_equal(
        strncmp(am_sandbox_describe(conf, text, sizeof text), "off (sandbox", 12), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without),
        cmocka_unit_test(user),
        cmocka_unit_test(hardened),
        cmocka_unit_test(filtered),
        cmocka_unit_test(landlocked),
        cmocka_unit_test(walled),
        cmocka_unit_test(switched_off),
    };
    char path[] = "/tmp/authmill-conf-XXXXXX";
    static const char text[] = "dns { nameservers = {\"127.0.0.1@5353\"} }\n";
    int fd = mkstemp(path);
    am_error why = {""};
    if (fd < 0 || write(fd, text, sizeof text - 1) < 0 || !(conf = am_conf_load(path, &why))) {
        fprintf(stderr, "# %s\n", why.text);
        return 1;
    }
    close(fd);
    unlink(path);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    am_conf_free(conf);
    return failed;
}
