/*
 * daemon: background, pid file, service manager, memory between two signals.
 *
 * For: the supervisor. Waits: am_daemon_detach, in the process that goes. Memory: none.
 * Callers: one thread.
 */
#include "config.h"

#include "milter/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>
#ifdef __linux__
#include <link.h>
#endif

bool am_daemon_standard_files(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd > 2)
        close(fd);
    return fd >= 0;
}

/* An octet of status, then text with its NUL. The end of the pipe does not count: the worker has
 * it open too. */
static int wait_for_daemon(int up)
{
    char message[1 + sizeof(am_error)] = "";
    size_t n = 0;
    ssize_t got = 1;
    while (got > 0 && n < sizeof message && (n < 2 || message[n - 1] != '\0')) {
        do
            got = read(up, message + n, sizeof message - n);
        while (got < 0 && errno == EINTR);
        n += got > 0 ? (size_t)got : 0;
    }
    if (n < 2) {
        fprintf(stderr, "authmilld: ended before it was ready; the log says why\n");
        return EX_SOFTWARE;
    }
    message[sizeof message - 1] = '\0';
    if (message[1])
        fprintf(stderr, "authmilld: %s\n", message + 1);
    return (unsigned char)message[0];
}

int am_daemon_detach(am_error *why)
{
    int up[2];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || pipe2(up, O_CLOEXEC) != 0) {
        am_error_set(why, "background: %s", strerror(errno));
        return -1;
    }
    pid_t pid = fork();
    if (pid < 0) {
        am_error_set(why, "fork: %s", strerror(errno));
        return -1;
    }
    if (pid > 0) {
        close(up[1]);
        _exit(wait_for_daemon(up[0]));
    }
    close(up[0]);
    (void)setsid();
    for (int fd = 0; fd <= 2; fd++)
        (void)dup2(null, fd);
    if (null > 2)
        close(null);
    if (chdir("/") != 0)
        am_error_set(why, "chdir: %s", strerror(errno));
    return up[1];
}

void am_daemon_up(int waiting, int status, const char *text)
{
    char message[1 + sizeof(am_error)];
    if (waiting < 0) {
        if (*text)
            fprintf(stderr, "authmilld: %s\n", text);
        return;
    }
    message[0] = (char)status;
    int n = snprintf(message + 1, sizeof message - 1, "%s", text);
    (void)!write(
        waiting, message, (n < (int)sizeof message - 1 ? (size_t)n : sizeof message - 2) + 2);
    close(waiting);
}

/* Whose number stands there; 0: none. */
static long read_pid(int fd)
{
    char text[24], *end;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    long pid = strtol(text, &end, 10);
    return end > text && pid > 0 && pid < INT_MAX ? pid : 0;
}

/* What stood there goes only when there is room for the new one. */
static bool put_pid(int fd, long pid)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%ld\n", pid);
    return fchmod(fd, 0644) == 0 && pwrite(fd, text, (size_t)n, 0) == n && ftruncate(fd, n) == 0;
}

bool am_daemon_write_pid(const char *file, long *before, am_error *why)
{
    *before = 0;
    if (!*file)
        return true;
    struct stat st;
    int fd = open(file, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
    bool good = fd >= 0 && fstat(fd, &st) == 0;
    /* In a directory such as /tmp somebody may have laid one there before. */
    if (good && (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)) {
        am_error_set(why, "pid file %s: there is one that is not ours; remove it", file);
        close(fd);
        errno = EPERM;
        return false;
    }
    *before = good ? read_pid(fd) : 0;
    good = good && put_pid(fd, (long)getpid());
    int error = errno;
    if (!good)
        am_error_set(why, "pid file %s: %s", file, strerror(error));
    if (fd >= 0)
        close(fd);
    errno = error;
    return good;
}

void am_daemon_remove_pid(const char *file, long before)
{
    int fd = *file ? open(file, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    if (read_pid(fd) == (long)getpid() && !(before && put_pid(fd, before)))
        (void)unlink(file);
    close(fd);
}

void am_daemon_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof sa.sun_path)
        return;
    memcpy(sa.sun_path, path, n);
    if (sa.sun_path[0] == '@') /* Linux's abstract names */
        sa.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sa,
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
}

/* ---- Memory ---- */

#ifdef __linux__
/* Where the linker wrote into the code (text relocations), that must not be forgotten. What it
 * wrote elsewhere is in segments that may be written, which let_go leaves alone. */
static bool is_as_in_file(const struct dl_phdr_info *o, const ElfW(Phdr) * part)
{
    if (part->p_type != PT_DYNAMIC)
        return true;
    const ElfW(Dyn) *d = (const ElfW(Dyn) *)(o->dlpi_addr + part->p_vaddr);
    while (d->d_tag != DT_NULL && d->d_tag != DT_TEXTREL)
        d++;
    return d->d_tag == DT_NULL;
}

static int let_go(struct dl_phdr_info *o, size_t size, void *unused)
{
    (void)size, (void)unused;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < o->dlpi_phnum; i++)
        if (!is_as_in_file(o, &o->dlpi_phdr[i]))
            return 0;
    for (size_t i = 0; i < o->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &o->dlpi_phdr[i];
        uintptr_t from = (o->dlpi_addr + part->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t to = (o->dlpi_addr + part->p_vaddr + part->p_memsz) & ~(page - 1);
        if (part->p_type == PT_LOAD && !(part->p_flags & PF_W) && to > from)
            (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}
#endif

void am_daemon_rest(void)
{
#ifdef __linux__
    (void)dl_iterate_phdr(let_go, NULL);
#endif
}
