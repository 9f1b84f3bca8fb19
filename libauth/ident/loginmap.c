/*
 * loginmap: the file that says which login owns which address.
 *
 * For: authalign. Waits: for the file, in am_loginmap_load alone. Memory: the map's
 * own, immutable once it is read. Callers: whoever starts the program (load),
 * any thread (owns).
 */
#include "libauth/ident/loginmap.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"
#include "libauth/ident/syntax.h"

#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(added) ((added)->lost = true)
#include <uthash.h>

enum {
    MAX_FILE = 64 << 20,
    MAX_EXPRESSION = 500,
    MAX_EXPRESSIONS = 200,
    MAX_WRITTEN_OUT = 2000, /* octets; regcomp takes memory by their square, up to 15 MB then */
    GROUPS = 10
};

typedef struct owner {
    am_str login;
    struct owner *next;
} owner;

typedef struct entry { /* "local@domain" or "@domain", lower case */
    am_str key;
    owner *owners;
    bool lost; /* no memory for the table */
    UT_hash_handle hh;
} entry;

typedef struct expression {
    regex_t re;
    owner *owners;
    struct expression *next;
} expression;

struct am_loginmap {
    am_arena *arena;
    entry *table;
    expression *first, **end;
    size_t expressions;
};

/* ---- reading ---- */

/* What is wrong, a constant; NULL: nothing. */
typedef const char *problem;
static const char no_memory[] = "out of memory";

static bool is_blank(char c)
{
    return am_is(c, AM_WSP);
}

/* Takes the next line off *rest, its end (LF or CRLF) gone. */
static bool next_line(am_str *rest, am_str *line)
{
    size_t end = am_str_find(*rest, '\n');
    if (rest->n == 0)
        return false;
    *line = am_str_cut(*rest, 0, end);
    *rest = am_str_cut(*rest, end + 1, rest->n);
    if (line->n && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

static bool means_nothing(am_str line)
{
    am_str s = am_str_trim(line);
    return s.n == 0 || s.p[0] == '#';
}

static problem check_groups(am_str login, size_t groups)
{
    for (size_t i = 0; i < login.n; i++) {
        if (login.p[i] != '$')
            continue;
        char c = ++i < login.n ? login.p[i] : '\0';
        if (c != '$' && (c < '1' || c > '9'))
            return "\"$\" without a digit from 1 to 9 behind it (for the character: \"$$\")";
        if (c != '$' && (size_t)(c - '0') > groups)
            return "\"$\" and the number of a group that the expression does not have";
    }
    return NULL;
}

/* Adds the logins of a line; `groups`: of its expression, or -1. */
static problem add_owners(am_loginmap *m, am_str s, int groups, owner **list)
{
    size_t added = 0;
    for (size_t i = 0; i < s.n;) {
        size_t from = i;
        while (i < s.n && !is_blank(s.p[i]) && s.p[i] != ',')
            i++;
        am_str login = am_str_cut(s, from, i++);
        if (login.n == 0)
            continue;
        if (login.p[0] == '#')
            return "a comment behind an entry; it needs a line of its own";
        problem bad = groups >= 0 ? check_groups(login, (size_t)groups) : NULL;
        if (bad)
            return bad;
        owner *o = am_arena_alloc(m->arena, sizeof *o);
        login = am_str_copy(m->arena, login);
        if (!o || !login.p)
            return no_memory;
        *o = (owner){login, *list};
        *list = o;
        added++;
    }
    return added ? NULL : "no login behind the address";
}

/* "local@domain" as the table has it. Absent: too long, or out of memory. */
static am_str make_key(am_arena *a, am_str local, am_str domain)
{
    am_buf b = {.arena = a, .max = AM_SMTP_MAILBOX_MAX};
    if (local.n)
        am_buf_str(&b, am_local_canonical(a, local));
    am_buf_char(&b, '@');
    am_buf_str(&b, domain);
    am_str key = am_buf_get(&b);
    return b.failed || am_arena_failed(a) ? (am_str){NULL, 0} : am_str_lower(a, key);
}

/* The octets of a line's address: up to white space outside quotes. */
static size_t address_len(am_str line)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < line.n && (quoted || !is_blank(line.p[i])); i++) {
        if (line.p[i] == '"')
            quoted = !quoted;
        else if (quoted && line.p[i] == '\\' && i + 1 < line.n)
            i++;
    }
    return i < line.n ? i : line.n;
}

static problem read_key(am_loginmap *m, am_str s, am_str *key)
{
    am_mailbox box = {0};
    bool whole = s.p[0] == '@';
    if (whole && !am_domain_normalise(m->arena, am_str_cut(s, 1, s.n), &box.domain))
        return "no domain behind \"@\"";
    if (!whole && (!am_smtp_mailbox_parse(m->arena, s, &box) || !box.domain.p))
        return "not an address, @domain or /expression/";
    *key = make_key(m->arena, box.local, box.domain);
    return key->p ? NULL : "address over 500 octets";
}

static problem add_address(am_loginmap *m, am_str line)
{
    size_t n = address_len(line);
    am_str key;
    problem bad = read_key(m, am_str_cut(line, 0, n), &key);
    if (bad)
        return bad;
    entry *e = NULL;
    HASH_FIND(hh, m->table, key.p, key.n, e);
    if (!e) {
        e = am_arena_alloc(m->arena, sizeof *e);
        if (!e)
            return no_memory;
        e->key = key;
        HASH_ADD_KEYPTR(hh, m->table, e->key.p, e->key.n, e);
        if (e->lost)
            return no_memory;
    }
    return add_owners(m, am_str_cut(line, n, line.n), -1, &e->owners);
}

/* Takes "/expression/" off the front of *line, "\/" as "/". */
static problem take_expression(am_str *line, char out[static MAX_EXPRESSION + 1])
{
    size_t n = 0, i = 1;
    for (; i < line->n && line->p[i] != '/'; i++) {
        if (line->p[i] == '\\' && i + 1 < line->n) {
            if (line->p[i + 1] != '/' && n < MAX_EXPRESSION)
                out[n++] = '\\';
            i++;
        }
        if (n == MAX_EXPRESSION)
            return "expression over 500 octets";
        out[n++] = line->p[i];
    }
    if (i == line->n)
        return "\"/\" missing behind the expression";
    if (i + 1 < line->n && !is_blank(line->p[i + 1]))
        return "text right behind the expression; flags are not known";
    out[n] = '\0';
    *line = am_str_cut(*line, i + 1, line->n);
    return n ? NULL : "empty expression";
}

/* How often regcomp writes the thing out: the larger number of "{m,n}"; for "{m,}" once more than
 * m, with "*" behind; so for "+" twice. */
static unsigned long repeats(const char *interval)
{
    char *end;
    if (*interval == '+')
        return 2;
    unsigned long m = strtoul(interval + 1, &end, 10);
    unsigned long n = *end != ',' ? m : end[1] == '}' ? m + 1 : strtoul(end + 1, NULL, 10);
    return m > n ? m : n;
}

/* How long an expression is at most when what it repeats is written out, as regcomp does: a group
 * that holds repeated groups as often as both together. */
static double written_out(const char *text)
{
    double octets = (double)strlen(text), times = 1;
    for (const char *p = strpbrk(text, "{+"); p; p = strpbrk(p + 1, "{+"))
        if (p > text && strchr(")}*+?", p[-1]))
            times *= (double)(repeats(p) > 1 ? repeats(p) : 1);
        else
            octets += (double)repeats(p);
    return octets * times;
}

static problem add_expression(am_loginmap *m, am_str line)
{
    char text[MAX_EXPRESSION + 1];
    problem bad = take_expression(&line, text);
    if (bad)
        return bad;
    if (m->expressions == MAX_EXPRESSIONS)
        return "more than 200 expressions";
    if (written_out(text) > MAX_WRITTEN_OUT)
        return "expression too large: its repetitions come to more than 2000 octets";
    expression *x = am_arena_alloc(m->arena, sizeof *x);
    if (!x)
        return no_memory;
    int rc = regcomp(&x->re, text, REG_EXTENDED | REG_ICASE);
    if (rc)
        return rc == REG_ESPACE ? "expression too large" : "not a POSIX extended expression";
    *m->end = x; /* from here on am_loginmap_free knows it */
    m->end = &x->next;
    m->expressions++;
    return add_owners(m, line, (int)(x->re.re_nsub < 100 ? x->re.re_nsub : 100), &x->owners);
}

static problem add_line(am_loginmap *m, am_str line)
{
    for (size_t i = 0; i < line.n; i++)
        if (am_is(line.p[i], AM_CTL) && line.p[i] != '\t' && line.p[i] != '\n' && line.p[i] != '\r')
            return "control character";
    return line.p[0] == '/' ? add_expression(m, line) : add_address(m, line);
}

/* The lines that continue `line` become its part; *number counts them. */
static problem continued(am_arena *a, am_str *line, am_str *rest, size_t *number)
{
    am_buf b = {.arena = a};
    while (rest->n && is_blank(rest->p[0])) {
        am_str more;
        if (!next_line(rest, &more))
            break;
        ++*number;
        if (b.n == 0)
            am_buf_str(&b, *line);
        if (!means_nothing(more))
            am_buf_str(&b, more);
    }
    if (b.n)
        *line = am_buf_get(&b);
    return b.failed ? no_memory : NULL;
}

static problem read_lines(am_loginmap *m, am_str rest, size_t *at)
{
    am_str line;
    for (size_t number = 1; next_line(&rest, &line); number++) {
        *at = number;
        if (means_nothing(line))
            continue;
        if (is_blank(line.p[0]))
            return "a continuation, and no entry before it";
        problem bad = continued(m->arena, &line, &rest, &number);
        bad = bad ? bad : add_line(m, line);
        if (bad)
            return bad;
    }
    return NULL;
}

am_loginmap *am_loginmap_parse(am_str text, const char *name, am_error *why)
{
    am_loginmap *m = calloc(1, sizeof *m);
    size_t at = 0;
    problem bad = no_memory;
    if (m) {
        m->end = &m->first;
        m->arena = am_arena_new(0);
    }
    if (m && m->arena)
        bad = read_lines(m, text, &at);
    if (bad && m && m->arena && am_arena_failed(m->arena)) /* a parser that had no room says no */
        bad = no_memory;
    if (!bad)
        return m;
    if (bad == no_memory)
        am_error_set(why, "%s: %s", name, bad);
    else
        am_error_set(why, "%s:%zu: %s", name, at, bad);
    am_loginmap_free(m);
    return NULL;
}

am_loginmap *am_loginmap_load(const char *path, am_error *why)
{
    am_loginmap *m = NULL;
    size_t n = 0, cap = 1 << 16;
    FILE *f = fopen(path, "re");
    char *p = f ? malloc(cap) : NULL;
    while (p && !feof(f) && !ferror(f) && n <= MAX_FILE) {
        n += fread(p + n, 1, cap - n, f);
        if (n < cap)
            continue;
        char *more = realloc(p, cap *= 2);
        if (!more)
            free(p);
        p = more;
    }
    if (!f || (p && ferror(f)))
        am_error_set(why, "%s: %s", path, strerror(errno));
    else if (!p)
        am_error_set(why, "%s: %s", path, no_memory);
    else if (n > MAX_FILE)
        am_error_set(why, "%s: over 64 MiB", path);
    else
        m = am_loginmap_parse(am_str_n(p, n), path, why);
    free(p);
    if (f)
        fclose(f);
    return m;
}

void am_loginmap_free(am_loginmap *m)
{
    if (!m)
        return;
    HASH_CLEAR(hh, m->table);
    for (expression *x = m->first; x; x = x->next)
        regfree(&x->re);
    am_arena_free(m->arena);
    free(m);
}

size_t am_loginmap_count(const am_loginmap *m)
{
    return HASH_COUNT(m->table) + m->expressions;
}

/* ---- asking ---- */

static bool listed(const owner *o, am_str login)
{
    for (; o; o = o->next)
        if (am_str_ieq(o->login, login))
            return true;
    return false;
}

/* Is the login what the owner's text means for this match? */
static bool expands_to(am_str text, am_str key, const regmatch_t *group, am_str login)
{
    for (size_t i = 0; i < text.n; i++) {
        am_str part = am_str_cut(text, i, i + 1);
        if (text.p[i] == '$' && text.p[++i] != '$') {
            const regmatch_t *g = &group[text.p[i] - '0'];
            part = g->rm_so < 0 ? (am_str){"", 0}
                                : am_str_cut(key, (size_t)g->rm_so, (size_t)g->rm_eo);
        }
        if (!am_str_ieq(part, am_str_cut(login, 0, part.n)))
            return false;
        login = am_str_cut(login, part.n, login.n);
    }
    return login.n == 0;
}

/* The first expression that matches decides: true, and *owned says what it says. */
static bool match_expressions(const am_loginmap *m, am_str key, am_str login, bool *owned)
{
    regmatch_t group[GROUPS];
    for (const expression *x = m->first; x; x = x->next) {
        if (regexec(&x->re, key.p, GROUPS, group, 0) != 0)
            continue;
        *owned = false;
        for (const owner *o = x->owners; o && !*owned; o = o->next)
            *owned = expands_to(o->login, key, group, login);
        return true;
    }
    return false;
}

static const entry *find(const am_loginmap *m, am_str key)
{
    entry *e = NULL;
    HASH_FIND(hh, m->table, key.p, key.n, e);
    return e;
}

bool am_loginmap_owns(const am_loginmap *m, am_arena *a, am_str login, const am_mailbox *address)
{
    bool owned;
    if (!login.n || !address->local.n || !address->domain.n)
        return false;
    am_str key = make_key(a, address->local, address->domain);
    if (!key.p || am_str_find(key, '\0') < key.n)
        return false;
    const entry *e = find(m, key);
    if (!e && match_expressions(m, key, login, &owned))
        return owned;
    if (!e)
        e = find(m, am_str_cut(key, am_str_rfind(key, '@'), key.n));
    return e && listed(e->owners, login);
}
