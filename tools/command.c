/*
 * command: runs another program and takes what it prints.
 *
 * For: `authmill config check`, which asks postconf(1). No shell, an empty environment, a bound on
 * time and on octets. Waits: as long as the caller allows. Memory: the caller's arena. Callers: a
 * program without threads.
 */
#include "tools/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The child: never returns. */
static void be_program(char *const argv[], int out)
{
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
    char *const environment[] = {path, locale, NULL};
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0)
        _exit(127);
    execve(argv[0], argv, environment);
    _exit(127);
}

/* Until the end of the output, of the room, or of the time. True: the end. */
static bool drain(int from, char *text, size_t max, size_t *n, int64_t until)
{
    while (*n < max) {
        int64_t left = until - clock_ms();
        struct pollfd p = {.fd = from, .events = POLLIN};
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t got = ready > 0 ? read(from, text + *n, max - *n) : -1;
        if (got <= 0)
            return got == 0;
        *n += (size_t)got;
    }
    return false;
}

am_str am_command_output(am_arena *a, char *const argv[], unsigned ms, size_t max)
{
    int ends[2], status = 0;
    size_t n = 0;
    char *text = am_arena_alloc(a, max);
    if (!text || pipe(ends) != 0)
        return (am_str){0};
    pid_t pid = fork();
    if (pid == 0)
        be_program(argv, ends[1]);
    close(ends[1]);
    bool good = pid > 0 && drain(ends[0], text, max, &n, clock_ms() + ms);
    close(ends[0]);
    if (pid > 0 && !good)
        kill(pid, SIGKILL);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return good && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? (am_str){text, n} : (am_str){0};
}
