/*
 * eml: a message from a file, in octets: header fields and body.
 *
 * For: RFC 5322 2.1, 2.2 and 4.5 (white space before the colon), read as an MTA
 * reads it. Waits: for the file alone. Memory: the caller's arena, a few times
 * the file's size. Callers: tools.
 */
#include "tools/eml.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "libauth/base/lex.h"
#include "libauth/mail/address.h"

/* Reads lines; `crlf` says which line ends count. */
typedef struct lines {
    am_str rest;
    bool crlf;
} lines;

/* The first line without its end; `len` is how many octets the line takes. */
static am_str line_peek(const lines *l, size_t *len)
{
    am_str rest = l->rest;
    size_t from = 0;
    while (from < rest.n) {
        const char *lf = memchr(rest.p + from, '\n', rest.n - from);
        if (!lf)
            break;
        size_t at = (size_t)(lf - rest.p);
        if (!l->crlf || (at > 0 && rest.p[at - 1] == '\r')) {
            *len = at + 1;
            return am_str_cut(rest, 0, at - l->crlf);
        }
        from = at + 1;
    }
    *len = rest.n;
    return rest;
}

static void line_skip(lines *l, size_t len)
{
    l->rest = am_str_cut(l->rest, len, l->rest.n);
}

/* RFC 5322 2.2 and 4.5.8: a name of printable octets, white space, a colon. */
static bool is_field(am_str line)
{
    size_t i = 0;
    while (i < line.n && am_is(line.p[i], AM_FTEXT))
        i++;
    if (i == 0)
        return false;
    while (i < line.n && am_is(line.p[i], AM_WSP))
        i++;
    return i < line.n && line.p[i] == ':';
}

/* A line that is no field, and that some reader takes for From all the same: kept as a field, so
 * that DMARC sees it. Every other such line ends the header, as with an MTA. */
static bool is_alike(const lines *l)
{
    size_t len;
    am_str line = line_peek(l, &len);
    size_t colon = am_str_find(line, ':');
    bool folded = len < l->rest.n && am_is(l->rest.p[len], AM_WSP);
    return (colon < line.n || folded) && am_author_alike(am_str_cut(line, 0, colon));
}

static bool is_mbox_line(am_str line)
{
    return line.n >= 5 && memcmp(line.p, "From ", 5) == 0 && !is_field(line);
}

/* Takes one field with its folds. */
static void take_field(am_arena *a, lines *l, am_header *h)
{
    size_t len;
    am_str line = line_peek(l, &len);
    am_buf raw = {.arena = a};
    am_str field = line;
    line_skip(l, len);
    while (l->rest.n && am_is(l->rest.p[0], AM_WSP)) {
        am_str fold = line_peek(l, &len);
        if (!raw.n)
            am_buf_str(&raw, line);
        am_buf_cstr(&raw, "\r\n");
        am_buf_str(&raw, fold);
        field = am_buf_get(&raw);
        line_skip(l, len);
    }
    if (raw.failed)
        h->failed = true;
    else
        am_header_add_raw(h, field);
}

/* The body with every LF as CRLF; false: no memory. */
static bool body_crlf(am_arena *a, am_str in, am_str *out)
{
    size_t n = in.n;
    for (const char *p = in.p, *end = in.p + in.n; p < end; p++, n++)
        if (!(p = memchr(p, '\n', (size_t)(end - p))))
            break;
    char *o = am_arena_alloc(a, n + 1);
    if (!o)
        return false;
    *out = am_str_n(o, n);
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\n')
            *o++ = '\r';
        *o++ = in.p[i];
    }
    return true;
}

int am_eml_parse(am_arena *a, am_str octets, am_eml *out, am_error *e)
{
    size_t len, lf = am_str_find(octets, '\n');
    lines l = {octets, lf > 0 && lf < octets.n && octets.p[lf - 1] == '\r'};
    *out = (am_eml){.header = {.arena = a}};
    if (is_mbox_line(line_peek(&l, &len)))
        line_skip(&l, len);
    while (l.rest.n && !out->header.failed && (is_field(line_peek(&l, &len)) || is_alike(&l)))
        take_field(a, &l, &out->header);
    bool header_ends = l.rest.n && line_peek(&l, &len).n == 0;
    if (out->header.n == 0 && !out->header.failed && !header_ends) {
        am_error_set(e, "no message: not one header field can be read");
        return EX_DATAERR;
    }
    if (l.rest.n) {
        if (header_ends)
            line_skip(&l, len);
        out->body = l.rest;
    }
    if (out->header.failed || (out->body.n && !l.crlf && !body_crlf(a, l.rest, &out->body))) {
        am_error_set(e, "out of memory");
        return EX_SOFTWARE;
    }
    return EX_OK;
}

static int read_all(am_arena *a, int fd, am_str *out, am_error *e)
{
    struct stat st;
    size_t cap = 65536, n = 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uintmax_t)st.st_size < AM_EML_MAX)
        cap = (size_t)st.st_size + 1;
    char *p = am_arena_alloc(a, cap);
    while (p) {
        ssize_t got = read(fd, p + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            am_error_set(e, "%s", strerror(errno));
            return EX_NOINPUT;
        }
        n += (size_t)got;
        if (got == 0) {
            *out = am_str_n(p, n);
            return EX_OK;
        }
        if (n > AM_EML_MAX) {
            am_error_set(e, "no message: more than %zu octets", AM_EML_MAX);
            return EX_DATAERR;
        }
        if (n == cap) {
            char *more = am_arena_alloc(a, cap *= 2);
            if (more)
                memcpy(more, p, n);
            p = more;
        }
    }
    am_error_set(e, "out of memory");
    return EX_SOFTWARE;
}

int am_eml_read(am_arena *a, const char *path, am_eml *out, am_error *e)
{
    am_str octets = {NULL, 0};
    bool file = strcmp(path, "-") != 0;
    int fd = file ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (fd < 0) {
        am_error_set(e, "%s: %s", path, strerror(errno));
        return EX_NOINPUT;
    }
    am_error why = {""};
    int status = read_all(a, fd, &octets, &why);
    if (file)
        close(fd);
    if (status == EX_OK)
        status = am_eml_parse(a, octets, out, &why);
    if (status != EX_OK)
        am_error_set(e, "%s: %s", file ? path : "standard input", why.text);
    return status;
}
