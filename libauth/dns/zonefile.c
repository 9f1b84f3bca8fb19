/*
 * zonefile: master files (RFC 1035 5, RFC 2308 4, RFC 4592) as a source of answers.
 *
 * For: --zone, tests, and hosts without a resolver. Files are read once, with
 * ldns; $INCLUDE is refused. Records lie in one array, sorted by their names'
 * labels from the right, so that what is below a name comes right behind it.
 * Waits: for the disk, while reading. Memory: an arena of the zone's own;
 * answers are the caller's. Callers: am_zone_answer any thread, others one.
 */
#include "libauth/dns/zonefile.h"
#include "libauth/base/lex.h"
#include "libauth/dns/wire.h"

#include <errno.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TTL = 3600, MAX_LABELS = 127 };

/* A name turned round: its labels from the right, each behind its length. A
 * name lies below another if the other's key begins its own. */
typedef struct key {
    uint8_t n;
    uint8_t octet[AM_NAME_OCTETS];
} key;

typedef struct record {
    const uint8_t *key, *data;
    size_t key_n, data_n;
    unsigned type;
    uint32_t ttl;
    size_t line; /* order of reading */
} record;

struct am_zone {
    am_arena *arena;
    record *record;
    size_t n, room;
};

/* ends[i]: the key's length with i labels; returns the number of labels. */
static unsigned make_key(const am_wire_name *name, key *out, uint8_t ends[MAX_LABELS + 1])
{
    uint8_t at[MAX_LABELS];
    unsigned labels = 0, n = 0;
    for (unsigned i = 0; name->octet[i] && labels < MAX_LABELS; i += 1u + name->octet[i])
        at[labels++] = (uint8_t)i;
    ends[0] = 0;
    for (unsigned l = labels; l > 0; l--) {
        const uint8_t *label = name->octet + at[l - 1];
        out->octet[n++] = label[0];
        for (unsigned i = 1; i <= label[0]; i++)
            out->octet[n++] = (uint8_t)am_lower((char)label[i]);
        ends[labels - l + 1] = (uint8_t)n;
    }
    out->n = (uint8_t)n;
    return labels;
}

static int compare_keys(const uint8_t *a, size_t an, const uint8_t *b, size_t bn)
{
    size_t n = an < bn ? an : bn;
    int d = n ? memcmp(a, b, n) : 0;
    return d ? d : (an > bn) - (an < bn);
}

static int compare_records(const void *x, const void *y)
{
    const record *a = x, *b = y;
    int d = compare_keys(a->key, a->key_n, b->key, b->key_n);
    return d ? d : (a->line > b->line) - (a->line < b->line);
}

/* ---- Reading ---- */

typedef struct reader {
    am_zone *zone;
    const char *path;
    am_str text;
    FILE *file; /* over the text */
    uint32_t ttl;
    ldns_rdf *origin, *owner; /* of the line before */
    int line, next_line;      /* the present entry's first, and ldns's count */
    am_error *why;
} reader;

static bool wrong(const reader *r, const char *what)
{
    am_error_set(r->why, "%s:%d: %s", r->path, r->line, what);
    return false;
}

static void *keep(am_zone *z, const void *p, size_t n)
{
    return am_arena_copy(z->arena, p, n);
}

/* The record's data as it stands on the wire: its fields in a row. */
static bool keep_data(am_zone *z, const ldns_rr *rr, record *out)
{
    uint8_t *data, *at;
    out->data_n = 0;
    for (size_t i = 0; i < ldns_rr_rd_count(rr); i++)
        out->data_n += ldns_rdf_size(ldns_rr_rdf(rr, i));
    out->data = data = am_arena_alloc(z->arena, out->data_n);
    if (!data)
        return false;
    at = data;
    for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
        const ldns_rdf *f = ldns_rr_rdf(rr, i);
        memcpy(at, ldns_rdf_data(f), ldns_rdf_size(f));
        at += ldns_rdf_size(f);
    }
    return true;
}

static bool add(reader *r, const ldns_rr *rr)
{
    am_zone *z = r->zone;
    const ldns_rdf *owner = ldns_rr_owner(rr);
    am_wire_name name;
    key k;
    uint8_t ends[MAX_LABELS + 1];
    if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN)
        return wrong(r, "the class of a record must be IN");
    if (!am_name_read(ldns_rdf_data(owner), ldns_rdf_size(owner), 0, &name))
        return wrong(r, "this owner is no domain name");
    if (z->n == z->room) {
        size_t room = z->room ? 2 * z->room : 64;
        record *more = realloc(z->record, room * sizeof *more);
        if (!more)
            return wrong(r, "out of memory");
        z->record = more;
        z->room = room;
    }
    make_key(&name, &k, ends);
    record *out = &z->record[z->n];
    *out = (record){.key = keep(z, k.octet, k.n),
        .key_n = k.n,
        .type = (unsigned)ldns_rr_get_type(rr),
        .ttl = ldns_rr_ttl(rr) > INT32_MAX ? 0 : ldns_rr_ttl(rr),
        .line = z->n};
    if (!out->key || !keep_data(z, rr, out))
        return wrong(r, "out of memory");
    z->n++;
    return true;
}

/* ldns takes a relative origin for an absolute one; so we want it written out. */
static bool origin_is_absolute(const reader *r, am_str entry)
{
    am_str name = am_str_trim(entry);
    name = am_str_cut(name, strlen("$ORIGIN"), am_str_find(name, ';'));
    name = am_str_trim(name);
    return (name.n && name.p[name.n - 1] == '.') ||
           wrong(r, "$ORIGIN wants a name with a final dot");
}

/* ldns takes the end of the line for the end of a string. */
static bool strings_end(const reader *r, am_str entry)
{
    bool string = false, comment = false;
    for (size_t i = 0; i < entry.n; i++) {
        char c = entry.p[i];
        if (comment)
            comment = c != '\n';
        else if (c == '\\')
            i++;
        else if (c == '"')
            string = !string;
        else if (c == ';' && !string)
            comment = true;
    }
    return !string || wrong(r, "a quoted string does not end");
}

static bool read_entry(reader *r)
{
    ldns_rr *rr = NULL;
    long from = ftell(r->file);
    r->line = r->next_line;
    ldns_status s =
        ldns_rr_new_frm_fp_l(&rr, r->file, &r->ttl, &r->origin, &r->owner, &r->next_line);
    long to = ftell(r->file);
    am_str entry = from < to ? am_str_cut(r->text, (size_t)from, (size_t)to) : AM_STR("");
    if (s == LDNS_STATUS_SYNTAX_EMPTY || s == LDNS_STATUS_SYNTAX_TTL)
        return true;
    if (s == LDNS_STATUS_SYNTAX_ORIGIN)
        return origin_is_absolute(r, entry);
    if (s == LDNS_STATUS_SYNTAX_INCLUDE)
        return wrong(r, "$INCLUDE is not supported; name the files one by one");
    if (s != LDNS_STATUS_OK)
        return wrong(r, ldns_get_errorstr_by_id(s));
    bool good = strings_end(r, entry) && add(r, rr);
    ldns_rr_free(rr);
    return good;
}

/* The file's octets, malloc'd. NULL: `why` says what is wrong. */
static char *read_text(const char *path, size_t *n, am_error *why)
{
    FILE *f = fopen(path, "r");
    char *p = NULL;
    size_t room = 0;
    bool good = f != NULL;
    *n = 0;
    while (good && !feof(f)) {
        if (*n == room) {
            char *more = realloc(p, room = room ? 2 * room : 1 << 16);
            good = more != NULL;
            p = good ? more : p;
        }
        if (good)
            *n += fread(p + *n, 1, room - *n, f);
        good = good && !ferror(f);
    }
    if (!good) {
        am_error_set(why, "%s: %s", path, strerror(errno));
        free(p);
        p = NULL;
    }
    if (f)
        fclose(f);
    return p;
}

static bool read_file(am_zone *z, const char *path, am_error *why)
{
    reader r = {.zone = z, .path = path, .ttl = DEFAULT_TTL, .next_line = 1, .why = why};
    size_t n;
    char *text = read_text(path, &n, why);
    if (!text)
        return false;
    bool good = true;
    r.text = am_str_n(text, n);
    r.file = n ? fmemopen(text, n, "r") : NULL;
    if (n && !r.file)
        good = wrong(&r, strerror(errno));
    while (good && r.file && !feof(r.file))
        good = read_entry(&r);
    if (r.file)
        fclose(r.file);
    free(text);
    ldns_rdf_deep_free(r.origin);
    ldns_rdf_deep_free(r.owner);
    return good;
}

/* RFC 2181 5: the same record twice is one record. */
static void drop_duplicates(am_zone *z)
{
    size_t kept = 0;
    for (size_t i = 0; i < z->n; i++) {
        const record *r = &z->record[i];
        bool again = false;
        for (size_t j = kept; !again && j > 0; j--) {
            const record *o = &z->record[j - 1];
            if (compare_keys(r->key, r->key_n, o->key, o->key_n) != 0)
                break;
            again = r->type == o->type && r->data_n == o->data_n &&
                    memcmp(r->data, o->data, r->data_n) == 0;
        }
        if (!again)
            z->record[kept++] = *r;
    }
    z->n = kept;
}

am_zone *am_zone_read(const char *const *file, size_t n, am_error *why)
{
    am_zone *z = calloc(1, sizeof *z);
    am_arena *arena = z ? am_arena_new(0) : NULL;
    bool good = arena != NULL;
    if (z)
        z->arena = arena;
    if (!good)
        am_error_set(why, "out of memory");
    for (size_t i = 0; good && i < n; i++)
        good = read_file(z, file[i], why);
    if (!good) {
        am_zone_free(z);
        return NULL;
    }
    if (z->n)
        qsort(z->record, z->n, sizeof *z->record, compare_records);
    drop_duplicates(z);
    return z;
}

void am_zone_free(am_zone *z)
{
    if (!z)
        return;
    free(z->record);
    am_arena_free(z->arena);
    free(z);
}

/* ---- Answering ---- */

/* The first record at or behind the key. */
static size_t lower_bound(const am_zone *z, const uint8_t *k, size_t n)
{
    size_t from = 0, to = z->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (compare_keys(z->record[mid].key, z->record[mid].key_n, k, n) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

/* RFC 8020, RFC 4592 2.2.2: a name exists if it or a name below has a record. */
static bool exists(const am_zone *z, const uint8_t *k, size_t n)
{
    size_t i = lower_bound(z, k, n);
    return i < z->n && z->record[i].key_n >= n && (n == 0 || memcmp(z->record[i].key, k, n) == 0);
}

typedef struct range {
    bool exists;
    size_t from, to;
} range;

static range range_of(const am_zone *z, const uint8_t *k, size_t n)
{
    range r = {.exists = exists(z, k, n), .from = lower_bound(z, k, n)};
    for (r.to = r.from; r.to < z->n; r.to++)
        if (compare_keys(z->record[r.to].key, z->record[r.to].key_n, k, n) != 0)
            break;
    return r;
}

static range find(const am_zone *z, const am_wire_name *name)
{
    key k;
    uint8_t ends[MAX_LABELS + 1];
    unsigned encloser = make_key(name, &k, ends);
    range r = range_of(z, k.octet, k.n);
    if (r.exists || encloser == 0)
        return r;
    /* RFC 4592 3.3.1: the wildcard right below the closest encloser, and no other. */
    while (--encloser > 0 && !exists(z, k.octet, ends[encloser]))
        continue;
    size_t n = ends[encloser];
    k.octet[n] = 1;
    k.octet[n + 1] = '*';
    return range_of(z, k.octet, n + 2);
}

static am_rdata rdata_of(const record *r)
{
    return (am_rdata){r->data, r->data_n, 0, r->data_n};
}

static am_answer *collect(const am_zone *z, range g, am_dns_type type, uint32_t ttl)
{
    size_t n = 0, octets = 0;
    for (size_t i = g.from; i < g.to; i++) {
        const record *r = &z->record[i];
        am_rdata data = rdata_of(r);
        size_t more = r->type == (unsigned)type ? am_rdata_octets(&data, type) : SIZE_MAX;
        if (more == SIZE_MAX)
            continue;
        octets += more;
        ttl = r->ttl < ttl ? r->ttl : ttl;
        n++;
    }
    am_answer *x = am_answer_new(n ? AM_DNS_DATA : AM_DNS_NODATA, n, octets);
    if (x)
        x->pub.ttl = n ? ttl : 0;
    n = 0;
    for (size_t i = g.from; x && i < g.to; i++) {
        am_rdata data = rdata_of(&z->record[i]);
        if (z->record[i].type == (unsigned)type && am_rdata_octets(&data, type) != SIZE_MAX)
            am_rdata_fill(&data, type, x, n++);
    }
    return x;
}

static const record *alias(const am_zone *z, range g, am_dns_type type)
{
    const record *cname = NULL;
    for (size_t i = g.from; i < g.to; i++) {
        if (z->record[i].type == (unsigned)type)
            return NULL;
        if (z->record[i].type == AM_TYPE_CNAME)
            cname = &z->record[i];
    }
    return cname;
}

am_answer *am_zone_answer(const am_zone *z, am_str text, am_dns_type type)
{
    am_wire_name name;
    uint32_t ttl = UINT32_MAX;
    if (!am_name_of_text(text, &name))
        return am_answer_new(AM_DNS_NXDOMAIN, 0, 0);
    for (unsigned links = 0; links <= AM_WIRE_MAX_LINKS; links++) {
        range g = find(z, &name);
        if (!g.exists)
            return am_answer_new(AM_DNS_NXDOMAIN, 0, 0);
        const record *r = alias(z, g, type);
        if (!r)
            return collect(z, g, type, ttl);
        ttl = r->ttl < ttl ? r->ttl : ttl;
        if (!am_name_read(r->data, r->data_n, 0, &name))
            break;
    }
    return am_answer_failed("CNAME chain too long");
}
