/*
 * address: lists of mailboxes, and who wrote the message.
 *
 * For: From, Sender and their like (RFC 5322 3.4, 3.6.2, 4.4; groups RFC 6854;
 * UTF-8 RFC 6532). Legal and obsolete forms are read; whatever two readers could
 * understand differently is refused, not guessed at. Waits: never. Memory: the caller's
 * arena; nothing points into the value. Callers: message, dmarc, ident, tools.
 */
#include "libauth/mail/address.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"
#include "libauth/mail/scan.h"

#include <string.h>

enum { MAX_MAILBOXES = 1000 };

typedef enum fault {
    FINE,
    NO_MEMORY,
    OCTET,
    COMMENT,
    QUOTES,
    LITERAL,
    STRAY,
    EMPTY,
    NAME,
    NO_AT,
    ENCODED,
    LOCAL,
    DOMAIN,
    ROUTE,
    ANGLE,
    GROUP,
    BESIDE,
    MANY,
} fault;

/* Reasons: of a list, and of an author. */
#define REASON(text)                                                                               \
    {                                                                                              \
        text, "malformed From field: " text                                                        \
    }
static const struct {
    const char *list, *author;
} reason_table[] = {
    [FINE] = {"", ""},
    [NO_MEMORY] = {"out of memory", "out of memory"},
    [OCTET] = REASON("control octet, bare line end or invalid UTF-8"),
    [COMMENT] = REASON("comment unclosed or too deep"),
    [QUOTES] = REASON("unclosed quoted string"),
    [LITERAL] = REASON("malformed address literal"),
    [STRAY] = REASON("character out of place"),
    [EMPTY] = REASON("no address"),
    [NAME] = REASON("malformed display name"),
    [NO_AT] = REASON("address without @"),
    [ENCODED] = REASON("encoded word in an address"),
    [LOCAL] = REASON("malformed local-part"),
    [DOMAIN] = REASON("malformed domain"),
    [ROUTE] = REASON("malformed route"),
    [ANGLE] = REASON("unclosed angle bracket"),
    [GROUP] = REASON("unclosed group"),
    [BESIDE] = REASON("text beside an address"),
    [MANY] = REASON("more than 1000 addresses"),
};

/* Kinds of tokens; the specials < > @ , ; : . are their own kinds. */
enum { END = 0, ATOM = 'a', QUOTED = '"', BRACKETS = '[', BROKEN = '!' };

typedef struct reader {
    am_arena *arena;
    am_str rest; /* behind the present token */
    char kind;   /* of the present token */
    am_str text; /* of ATOM, QUOTED, BRACKETS: as written */
    fault fault; /* the first one */
    bool any;    /* an address or a group stood there */
    am_mailbox *list;
    size_t n, cap;
} reader;

static bool fail(reader *r, fault f)
{
    if (r->fault == FINE)
        r->fault = f;
    r->kind = BROKEN;
    return false;
}

/* RFC 6532 3.2: atext is ASCII's and all of UTF-8 beyond. */
static size_t atom_len(am_str s)
{
    size_t n = 0;
    while (n < s.n && am_is(s.p[n], AM_ATEXT | AM_HIGH))
        n++;
    return n;
}

/* domain-literal = "[" *([FWS] dtext) [FWS] "]", with quoted pairs (obs-dtext); 0: not closed */
static size_t literal_len(am_str s)
{
    for (size_t i = 1; i < s.n && s.p[i] != '['; i++) {
        if (s.p[i] == ']')
            return i + 1;
        i += s.p[i] == '\\';
    }
    return 0;
}

/* The next token becomes the present one; CFWS may stand before each (RFC 5322 4). */
static void next(reader *r)
{
    if (r->fault != FINE)
        return;
    if (!am_scan_cfws(&r->rest, NULL)) {
        fail(r, COMMENT);
        return;
    }
    am_str at = r->rest, inside;
    size_t len = 1;
    if (at.n == 0) {
        r->kind = END;
        return;
    }
    r->kind = *at.p;
    if ((len = atom_len(at)) > 0)
        r->kind = ATOM;
    else if (*at.p == '"')
        len = am_scan_quoted(&at, &inside) ? inside.n + 2 : 0;
    else if (*at.p == '[')
        len = literal_len(at);
    else
        len = am_str_find(AM_STR("<>@,;:."), *at.p) < 7;
    if (len == 0) {
        fail(r, *at.p == '"' ? QUOTES : *at.p == '[' ? LITERAL : STRAY);
        return;
    }
    r->text = am_str_cut(r->rest, 0, len);
    r->rest = am_str_cut(r->rest, len, r->rest.n);
}

static bool take(reader *r, char kind)
{
    if (r->kind != kind)
        return false;
    next(r);
    return true;
}

static bool keep(reader *r, am_mailbox m)
{
    if (r->n == MAX_MAILBOXES)
        return fail(r, MANY);
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 4;
        am_mailbox *list = am_arena_array(r->arena, cap, sizeof *list);
        if (!list)
            return fail(r, NO_MEMORY);
        if (r->n)
            memcpy(list, r->list, r->n * sizeof *list);
        r->list = list;
        r->cap = cap;
    }
    r->list[r->n++] = m;
    r->any = true;
    return true;
}

/* RFC 2047 5: never within an addr-spec; who decodes before he parses sees another address. */
static bool holds_encoded_word(am_str s)
{
    bool open = false;
    for (size_t i = 0; i + 1 < s.n; i++) {
        if (open && s.p[i] == '?' && s.p[i + 1] == '=')
            return true;
        open = open || (s.p[i] == '=' && s.p[i + 1] == '?');
    }
    return false;
}

/* local-part = word *("." word) (RFC 5322 4.4: obs-local-part), without CFWS and folds */
static bool local_part(reader *r, am_str *out)
{
    am_buf b = {.arena = r->arena};
    do {
        if (r->kind != ATOM && r->kind != QUOTED)
            return fail(r, LOCAL);
        if (b.n)
            am_buf_char(&b, '.');
        for (size_t i = 0; i < r->text.n; i++)
            if (!am_is(r->text.p[i], AM_CRLF))
                am_buf_char(&b, r->text.p[i]);
        next(r);
    } while (take(r, '.'));
    *out = am_buf_get(&b);
    if (b.failed)
        return fail(r, NO_MEMORY);
    return !holds_encoded_word(*out) || fail(r, ENCODED);
}

/* domain = atom *("." atom) (obs-domain); one final dot is let through, as a
 * final dot of DNS names. A literal is no domain: *out is absent. */
static bool domain(reader *r, am_str *out)
{
    am_buf b = {.arena = r->arena};
    *out = (am_str){NULL, 0};
    if (take(r, BRACKETS))
        return true;
    do {
        if (r->kind == '.' || (r->kind != ATOM && b.n == 0))
            return fail(r, DOMAIN);
        if (r->kind != ATOM)
            break;
        if (b.n)
            am_buf_char(&b, '.');
        am_buf_str(&b, r->text);
        next(r);
    } while (take(r, '.'));
    if (b.failed)
        return fail(r, NO_MEMORY);
    if (am_domain_normalise(r->arena, am_buf_get(&b), out))
        return true;
    return fail(r, am_arena_failed(r->arena) ? NO_MEMORY : DOMAIN);
}

static bool addr_spec(reader *r)
{
    am_mailbox m;
    if (!local_part(r, &m.local))
        return false;
    if (!take(r, '@'))
        return fail(r, NO_AT);
    return domain(r, &m.domain) && keep(r, m);
}

/* obs-route = *(CFWS / ",") "@" domain *("," [CFWS] ["@" domain]) ":"; to be
 * ignored (RFC 5322 4.4), but it has to be one. */
static bool route(reader *r)
{
    bool any = false;
    am_str host;
    for (;;) {
        while (take(r, ','))
            ;
        if (!take(r, '@'))
            break;
        if (!domain(r, &host))
            return false;
        any = true;
        if (r->kind != ',')
            break;
    }
    return (any && take(r, ':')) || fail(r, ROUTE);
}

/* angle-addr = "<" [obs-route] addr-spec ">" */
static bool angle(reader *r)
{
    take(r, '<');
    if ((r->kind == '@' || r->kind == ',') && !route(r))
        return false;
    return addr_spec(r) && (take(r, '>') || fail(r, ANGLE));
}

/* Is what comes a phrase = word *(word / ".") (RFC 5322 4.1: obs-phrase)? Passes over it. */
static bool phrase(reader *r)
{
    bool ok = r->kind != '.';
    while (r->kind == ATOM || r->kind == QUOTED || r->kind == '.')
        next(r);
    return ok;
}

static bool members(reader *r, bool in_group);

/* group = display-name ":" [group-list] ";" (RFC 6854: in From too) */
static bool group(reader *r)
{
    take(r, ':');
    r->any = true;
    return members(r, true) && (take(r, ';') || fail(r, GROUP));
}

/* Words come first, and only what follows says what they were. */
static bool address(reader *r, bool in_group)
{
    reader start = *r;
    bool named = phrase(r);
    if (r->kind == '@') {
        *r = start;
        return addr_spec(r);
    }
    if (r->kind == '<')
        return named ? angle(r) : fail(r, NAME);
    if (r->kind == ':' && !in_group) /* groups do not nest: two levels at the most */
        return start.kind != ':' && named ? group(r) : fail(r, NAME);
    return fail(r, NO_AT);
}

/* address-list and group-list: empty members are obsolete, but legal (RFC 5322 4.4). */
static bool members(reader *r, bool in_group)
{
    for (;;) {
        while (take(r, ','))
            ;
        if (r->kind == END || (in_group && r->kind == ';'))
            return true;
        if (!address(r, in_group))
            return false;
        if (r->kind != ',' && r->kind != END && !(in_group && r->kind == ';'))
            return fail(r, BESIDE);
    }
}

static fault read_list(reader *r, am_str value)
{
    if (!am_scan_clean(value, false))
        return OCTET;
    r->rest = value;
    next(r);
    if (members(r, false) && !r->any)
        fail(r, EMPTY);
    return r->fault;
}

bool am_mailbox_list_parse(
    am_arena *a, am_str value, am_mailbox **list, size_t *n, const char **reason)
{
    reader r = {.arena = a};
    fault f = read_list(&r, value);
    *list = f == FINE ? r.list : NULL;
    *n = f == FINE ? r.n : 0;
    *reason = reason_table[f].list;
    return f == FINE;
}

static am_author bad_author(const char *reason)
{
    return (am_author){.status = AM_AUTHOR_BAD, .reason = reason};
}

static am_author author_of(const am_mailbox *list, size_t n)
{
    if (n == 0)
        return bad_author("no author domain");
    for (size_t i = 0; i < n; i++)
        if (!list[i].domain.p)
            return bad_author("no author domain"); /* an address literal */
    for (size_t i = 1; i < n; i++)
        if (!am_str_eq(list[i].domain, list[0].domain))
            return bad_author("several author domains");
    return (am_author){.status = AM_AUTHOR_ONE, .mailbox = list[0]};
}

/* Would some reader take it for From? Blanks, controls, a byte order mark at the ends of a name are
 * no part of it for everyone. */
bool am_author_alike(am_str name)
{
    while (name.n && !am_is(name.p[0], AM_VCHAR))
        name = am_str_cut(name, 1, name.n);
    while (name.n && !am_is(name.p[name.n - 1], AM_VCHAR))
        name.n--;
    return am_str_iis(name, "From");
}

/* Lines within another field's value that some reader takes for From. */
static size_t hidden_froms(const am_field *f)
{
    size_t n = 0;
    am_str name, rest;
    if (am_author_alike(f->name)) /* its own octets are judged elsewhere */
        return 0;
    for (am_hidden h = am_hidden_begin(f->value); am_hidden_next(&h, &name, &rest);)
        n += am_author_alike(name);
    return n;
}

/* Postfix shows a milter some 60,000 octets of a field and delivers it whole: behind those may
 * stand another author. No honest From comes near. */
enum { MAX_FROM = 32768 };

/* RFC 5322 3.6: exactly one From; NULL: so it is */
static const char *no_one_from(const am_header *h)
{
    size_t alike = 0;
    for (size_t i = 0; i < h->n; i++)
        alike += am_author_alike(h->field[i].name) + hidden_froms(&h->field[i]);
    if (h->failed) /* another From may stand in what was not kept */
        return "header not kept whole";
    if (alike > 1)
        return "several From fields";
    size_t from = am_header_find(h, "From", 0);
    if (from == h->n)
        return "no From field";
    return h->field[from].value.n > MAX_FROM ? "malformed From field: longer than 32 KB" : NULL;
}

am_author am_author_parse(am_arena *a, const am_header *h)
{
    reader r = {.arena = a};
    const char *reason = no_one_from(h);
    if (reason)
        return bad_author(reason);
    fault f = read_list(&r, h->field[am_header_find(h, "From", 0)].value);
    return f == FINE ? author_of(r.list, r.n) : bad_author(reason_table[f].author);
}
