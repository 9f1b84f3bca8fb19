/*
 * kept: kept mail, message after message.
 *
 * For: replay. Waits: for files. Memory: an arena a message, a message at a time. Callers: tools.
 */
#include "config.h"

#include "tools/kept.h"
#include "tools/eml.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* A file that is read line by line. */
typedef struct file {
    const am_kept_reader *reader;
    const char *path;
    FILE *f;
    uint64_t size, done; /* octets; size 0: not known */
    char *line;
    size_t room, number; /* messages or records handed over */
    ssize_t n;           /* octets of the line; -1: the end */
    bool stopped;        /* nobody wants more */
    int wrong;           /* errno, where that is not the end */
} file;

static bool next_line(file *f)
{
    f->n = getline(&f->line, &f->room, f->f);
    if (f->n < 0 && !feof(f->f)) /* no ferror where memory is short */
        f->wrong = errno;
    f->done += f->n > 0 ? (uint64_t)f->n : 0;
    return f->n >= 0;
}

static bool is_empty_line(const file *f)
{
    am_str s = am_str_n(f->line, (size_t)f->n);
    return am_str_is(s, "\n") || am_str_is(s, "\r\n");
}

static const char *numbered(am_arena *a, const file *f)
{
    const char *name = am_str_format(a, "%s:%zu", f->path, f->number).p;
    return name ? name : f->path;
}

/* ---- Decision logs ---- */

static void hand_record(file *f)
{
    am_arena *a = am_arena_new(0);
    am_record r;
    am_error why;
    if (!a) {
        f->wrong = ENOMEM;
        f->stopped = true;
        return;
    }
    f->number++;
    am_kept k = {.name = numbered(a, f), .record = &r};
    if (!am_record_read(a, f->line, (size_t)f->n, &r, &why))
        f->reader->wrong(f->reader->with, k.name, why.text);
    else
        f->stopped = !f->reader->take(f->reader->with, &k);
    am_arena_free(a);
}

static void read_log(file *f)
{
    do {
        if (!is_empty_line(f))
            hand_record(f);
        f->reader->progress(f->reader->with, f->done, f->size);
    } while (!f->stopped && next_line(f));
}

/* ---- Messages ---- */

static bool is_from_line(const file *f)
{
    return f->n >= 5 && memcmp(f->line, "From ", 5) == 0;
}

/* mboxrd: ">From ", ">>From ", ... are lines of the message with one ">" too many. */
static am_str unquoted(const file *f)
{
    am_str s = am_str_n(f->line, (size_t)f->n);
    size_t quotes = 0;
    while (quotes < s.n && s.p[quotes] == '>')
        quotes++;
    bool quoted = quotes > 0 && am_str_istarts(am_str_cut(s, quotes, s.n), "From ");
    return am_str_cut(s, quoted, s.n);
}

static void hand_message(file *f, am_arena *a, am_buf *text, bool mbox)
{
    f->number++;
    am_kept k = {.name = mbox ? numbered(a, f) : f->path, .octets = am_buf_get(text)};
    if (text->failed)
        f->reader->wrong(f->reader->with, k.name, "out of memory, or over a gigabyte");
    else
        f->stopped = !f->reader->take(f->reader->with, &k);
}

/* One message: to the end, or in an mbox before the next "From " behind an empty line. */
static void read_message(file *f, bool mbox)
{
    am_arena *a = am_arena_new(0);
    am_buf text = {.arena = a, .max = AM_EML_MAX};
    size_t empty = 0; /* octets of the empty line that ends it in an mbox */
    if (!a) {
        f->wrong = ENOMEM;
        f->stopped = true;
        return;
    }
    if (mbox)
        next_line(f);
    for (; f->n >= 0 && !(mbox && empty && is_from_line(f)); next_line(f)) {
        am_buf_str(&text, mbox ? unquoted(f) : am_str_n(f->line, (size_t)f->n));
        empty = is_empty_line(f) ? (size_t)f->n : 0;
    }
    if (mbox && empty && !text.failed)
        text.n -= empty;
    if (!f->wrong) /* a part is no message */
        hand_message(f, a, &text, mbox);
    f->reader->progress(f->reader->with, f->done, f->size);
    am_arena_free(a);
}

static void read_lines(file *f)
{
    if (!next_line(f))
        return;
    if (f->line[0] == '{')
        read_log(f);
    else if (!is_from_line(f))
        read_message(f, false);
    else
        while (f->n >= 0 && !f->stopped)
            read_message(f, true);
}

/* 0, or errno. */
static int read_file(const char *path, int fd, const am_kept_reader *r)
{
    struct stat st;
    file f = {.reader = r, .path = path, .f = fdopen(fd, "r")};
    if (!f.f) {
        int wrong = errno;
        close(fd);
        return wrong;
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        f.size = (uint64_t)st.st_size;
    read_lines(&f);
    free(f.line);
    fclose(f.f);
    return f.wrong;
}

/* ---- Folders ---- */

typedef struct folder {
    const am_kept_reader *reader;
    bool stopped;
    uint64_t done, of;
} folder;

static void no_progress(void *with, uint64_t done, uint64_t of)
{
    (void)with;
    (void)done;
    (void)of;
}

/* The reader of a file within a folder: progress is the folder's matter, and so is its end. */
static bool take_in_folder(void *with, const am_kept *kept)
{
    folder *d = with;
    d->stopped = !d->reader->take(d->reader->with, kept);
    return !d->stopped;
}

static void wrong_in_folder(void *with, const char *name, const char *why)
{
    folder *d = with;
    d->reader->wrong(d->reader->with, name, why);
}

static void read_entry(folder *d, const char *path)
{
    struct stat st;
    am_kept_reader r = {d, take_in_folder, wrong_in_folder, no_progress};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        d->reader->wrong(d->reader->with, path, strerror(errno));
    } else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
    } else {
        int wrong = read_file(path, fd, &r);
        if (wrong)
            d->reader->wrong(d->reader->with, path, strerror(wrong));
    }
}

static int is_visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static void read_folder(folder *d, const char *path)
{
    struct dirent **entry;
    int n = scandir(path, &entry, is_visible, alphasort);
    if (n < 0)
        return;
    d->of += (uint64_t)n;
    for (int i = 0; i < n; i++) {
        char *name = NULL;
        if (!d->stopped && asprintf(&name, "%s/%s", path, entry[i]->d_name) >= 0) {
            read_entry(d, name);
            free(name);
        }
        d->done++;
        d->reader->progress(d->reader->with, d->done, d->of);
        free(entry[i]);
    }
    free(entry);
}

static void read_folders(const char *path, const am_kept_reader *r)
{
    static const char *const parts[] = {"", "/cur", "/new"};
    folder d = {.reader = r};
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !d.stopped; i++) {
        char *name = NULL;
        if (asprintf(&name, "%s%s", path, parts[i]) < 0)
            return;
        read_folder(&d, name);
        free(name);
    }
}

int am_kept_read(const char *path, const am_kept_reader *r, am_error *why)
{
    struct stat st;
    bool input = strcmp(path, "-") == 0;
    const char *name = input ? "stdin" : path;
    int fd = input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        am_error_set(why, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return EX_NOINPUT;
    }
    int wrong = 0;
    if (S_ISDIR(st.st_mode)) {
        close(fd);
        read_folders(path, r);
    } else if ((wrong = read_file(name, fd, r)) != 0) {
        am_error_set(why, "%s: %s", name, strerror(wrong));
    }
    return !wrong ? EX_OK : wrong == ENOMEM ? EX_SOFTWARE : EX_NOINPUT;
}
