/*
 * wire: DNS packets (RFC 1035 4, 2181, 2308, 6604, 6840, 6891).
 *
 * For: the engine. Queries are built with ldns. Answers are read here: ldns
 * keeps one malloc'd block of the record's size for each character-string, so
 * that one TXT record of 64 KB, which any domain can publish, costs 770 MB and
 * 2.5 s; it also reads past a record's length, and does not survive a failed
 * malloc. Waits: never. Memory: the answer is one block, handed over.
 * Callers: the engine's thread.
 */
#include "libauth/dns/wire.h"
#include "libauth/base/lex.h"
#include "libauth/dns/cache.h"

#include <ldns/ldns.h>
#include <string.h>

enum { HEADER = 12, TYPE_NS = 2, TYPE_SOA = 6, TYPE_OPT = 41, CLASS_IN = 1 };
enum {
    RCODE_OK = 0,
    FORMERR = 1,
    SERVFAIL = 2,
    NXDOMAIN = 3,
    NOTIMP = 4,
    REFUSED = 5,
    BADVERS = 16
};

void am_wire_shuffle(am_wire_name *name, const uint8_t random[32])
{
    for (size_t i = 0; i < name->n; i++)
        if (am_is((char)name->octet[i], AM_ALPHA) && random[i / 8] >> i % 8 & 1)
            name->octet[i] ^= 0x20;
}

static ldns_rr *question_rr(const am_wire_question *q)
{
    ldns_rr *rr = ldns_rr_new();
    ldns_rdf *owner = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, q->name.n, q->name.octet);
    if (!rr || !owner) {
        ldns_rdf_deep_free(owner);
        ldns_rr_free(rr);
        return NULL;
    }
    ldns_rr_set_question(rr, true);
    ldns_rr_set_owner(rr, owner);
    ldns_rr_set_type(rr, (ldns_rr_type)q->type);
    ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
    return rr;
}

size_t am_wire_query(const am_wire_question *q, uint8_t out[static AM_WIRE_QUERY])
{
    ldns_pkt *pkt = ldns_pkt_new();
    ldns_rr *rr = question_rr(q);
    uint8_t *octets = NULL;
    size_t n = 0;
    bool good = pkt && rr && ldns_pkt_push_rr(pkt, LDNS_SECTION_QUESTION, rr);
    if (good) {
        ldns_pkt_set_id(pkt, q->id);
        ldns_pkt_set_rd(pkt, true);
        ldns_pkt_set_ad(pkt, true);
        if (q->edns)
            ldns_pkt_set_edns_udp_size(pkt, AM_WIRE_UDP);
        if (ldns_pkt2wire(&octets, pkt, &n) != LDNS_STATUS_OK || n > AM_WIRE_QUERY)
            n = 0;
        if (n)
            memcpy(out, octets, n);
        LDNS_FREE(octets);
    } else {
        ldns_rr_free(rr);
    }
    ldns_pkt_free(pkt);
    return n;
}

/* ---- Reading: a packet that was found sound, and its records. ---- */

/* A record of the answer section: where it begins, and its owner in short. Each link of a chain of
 * CNAMEs looks at all records, and 64 KB hold thousands with an owner of 255 octets each. */
typedef struct row {
    uint32_t hash;
    uint32_t at;
} row;

enum { ROWS = 65535 / 11 }; /* a record has 11 octets */

/* The last owner that was a pointer (RFC 1035 4.1.4): the next record has the same, as a rule. */
typedef struct memo {
    unsigned pointer; /* both octets; 0: none yet */
    am_wire_name name;
} memo;

typedef struct packet {
    const uint8_t *p;
    size_t n;
    const row *row; /* `ancount` of them */
    memo *memo;
    uint32_t salt;               /* of their hashes: who made the packet does not know it */
    size_t answers, authorities; /* where the sections begin */
    unsigned ancount, nscount;
    unsigned rcode; /* with the upper bits of EDNS */
    bool opt;
} packet;

typedef struct record {
    am_wire_name owner;
    unsigned type, class;
    uint32_t ttl;
    am_rdata data;
    size_t next;
} record;

static unsigned u16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

/* Where a name may point to does not depend on where it stands, but for that it stands below: so
 * what was sound for one record is for all behind it. */
static size_t read_owner(const packet *k, size_t at, am_wire_name *owner)
{
    unsigned pointer = at < k->n && k->n - at >= 2 ? u16(k->p + at) : 0;
    if (pointer >= 0xc000 && pointer == k->memo->pointer) {
        *owner = k->memo->name;
        return at + 2;
    }
    size_t end = am_name_read(k->p, k->n, at, owner);
    if (end && pointer >= 0xc000)
        *k->memo = (memo){pointer, *owner};
    return end;
}

static bool read_record(const packet *k, size_t at, record *r)
{
    at = read_owner(k, at, &r->owner);
    if (!at || k->n - at < 10)
        return false;
    r->type = u16(k->p + at);
    r->class = u16(k->p + at + 2);
    r->ttl = (uint32_t)u16(k->p + at + 4) << 16 | u16(k->p + at + 6);
    r->data = (am_rdata){k->p, k->n, at + 10, u16(k->p + at + 8)};
    if (r->data.len > k->n - r->data.at)
        return false;
    r->next = r->data.at + r->data.len;
    /* RFC 2181 8: the top bit set means 0. */
    if (r->ttl > INT32_MAX)
        r->ttl = 0;
    return true;
}

static uint32_t hash_of(uint32_t salt, const am_wire_name *name)
{
    uint32_t hash = 0x811c9dc5 ^ salt; /* FNV-1a */
    for (size_t i = 0; i < name->n; i++)
        hash = (hash ^ (uint8_t)am_lower((char)name->octet[i])) * 0x01000193;
    return hash;
}

/* Skips `count` records; 0: one of them is not sound. Notes what an OPT says, and `rows` (unless
 * NULL). */
static size_t skip_records(packet *k, size_t at, unsigned count, row *rows)
{
    record r;
    for (; count; count--) {
        if (!read_record(k, at, &r))
            return 0;
        if (rows)
            *rows++ = (row){hash_of(k->salt, &r.owner), (uint32_t)at};
        /* RFC 6891 6.1.3: the upper octet of the TTL extends the RCODE. */
        if (r.type == TYPE_OPT) {
            k->rcode |= (unsigned)k->p[r.data.at - 6] << 4;
            k->opt = true;
        }
        at = r.next;
    }
    return at;
}

static bool open_packet(packet *k, size_t question_end, row rows[static ROWS])
{
    k->row = rows;
    k->ancount = u16(k->p + 6);
    k->nscount = u16(k->p + 8);
    k->rcode = k->p[3] & 15;
    k->answers = question_end;
    k->authorities = skip_records(k, k->answers, k->ancount, rows);
    size_t additional = k->authorities ? skip_records(k, k->authorities, k->nscount, NULL) : 0;
    return additional && skip_records(k, additional, u16(k->p + 10), NULL);
}

/* ---- Is it ours? ---- */

static bool is_reply(const uint8_t *p, size_t n, uint16_t id)
{
    /* QR set, opcode QUERY */
    return n >= HEADER && am_wire_id(p) == id && (p[2] & 0xf8) == 0x80;
}

/* RFC 5452 9.1: the question repeated; names of questions are not compressed. */
static am_wire_kind match(const uint8_t *p, size_t n, const am_wire_question *q)
{
    am_wire_name name;
    unsigned rcode;
    if (!is_reply(p, n, q->id))
        return AM_WIRE_FOREIGN;
    rcode = p[3] & 15;
    /* RFC 6891 7: servers of old may send the header alone. */
    if (u16(p + 4) == 0 && (rcode == FORMERR || rcode == NOTIMP) && q->edns)
        return AM_WIRE_NO_EDNS;
    size_t end = u16(p + 4) == 1 ? am_name_read(p, n, HEADER, &name) : 0;
    if (end != HEADER + (size_t)q->name.n || n - end < 4 || u16(p + end) != (unsigned)q->type ||
        u16(p + end + 2) != CLASS_IN || !am_name_eq(&name, &q->name))
        return AM_WIRE_FOREIGN;
    if (q->exact && memcmp(name.octet, q->name.octet, name.n) != 0)
        return AM_WIRE_RECASED;
    return AM_WIRE_ANSWER;
}

/* ---- What does it say? ---- */

typedef struct found {
    size_t n, octets;
    uint32_t ttl;
    bool malformed;
    bool alias; /* `target` is set */
    am_wire_name target;
    uint32_t alias_ttl;
} found;

/* Is it the record of that name? Then it is read. */
static bool is_owned(
    const packet *k, unsigned i, uint32_t hash, const am_wire_name *name, record *r)
{
    return k->row[i].hash == hash && read_record(k, k->row[i].at, r) && am_name_eq(&r->owner, name);
}

/* A host of 16 octets, with a pointer (RFC 1035 4.1.4), is 1,000 octets of text. RFC 7208 4.6.4:
 * who reads hosts wants `spf.max-names` of them at most, and to know of one more. */
static bool is_one_more(am_dns_type type, const found *f)
{
    return (type == AM_DNS_MX || type == AM_DNS_PTR) && f->n == AM_WIRE_MAX_HOSTS;
}

/* What the answer section holds for a name: records of the type, or a CNAME. */
static found look(const packet *k, const am_wire_name *name, am_dns_type type)
{
    found f = {.ttl = UINT32_MAX};
    record r;
    uint32_t hash = hash_of(k->salt, name);
    for (unsigned i = 0; i < k->ancount; i++) {
        if (!is_owned(k, i, hash, name, &r) || r.class != CLASS_IN)
            continue;
        if (r.type == (unsigned)type) {
            size_t octets = am_rdata_octets(&r.data, type);
            f.malformed = f.malformed || octets == SIZE_MAX;
            f.ttl = r.ttl < f.ttl ? r.ttl : f.ttl;
            if (is_one_more(type, &f))
                continue;
            f.octets += octets;
            f.n++;
        } else if (r.type == AM_TYPE_CNAME && !f.alias) {
            f.alias = true;
            f.alias_ttl = r.ttl;
            if (am_name_read(k->p, r.next, r.data.at, &f.target) != r.next)
                f.malformed = true;
        }
    }
    return f;
}

static am_answer *collect(
    const packet *k, const am_wire_name *name, am_dns_type type, const found *f)
{
    am_answer *x = am_answer_new(AM_DNS_DATA, f->n, f->octets);
    record r;
    uint32_t hash = hash_of(k->salt, name);
    size_t n = 0;
    for (unsigned i = 0; x && i < k->ancount && n < f->n; i++)
        if (is_owned(k, i, hash, name, &r) && r.class == CLASS_IN && r.type == (unsigned)type)
            am_rdata_fill(&r.data, type, x, n++);
    return x;
}

typedef struct authority {
    bool soa, ns;
    uint32_t ttl; /* RFC 2308 5: the lesser of the SOA's TTL and its MINIMUM */
} authority;

static authority read_authority(const packet *k, const am_wire_name *name)
{
    authority a = {0};
    record r;
    size_t at = k->authorities;
    for (unsigned i = 0; i < k->nscount && read_record(k, at, &r); i++, at = r.next) {
        if (r.type == TYPE_NS)
            a.ns = true;
        if (r.type != TYPE_SOA || r.data.len < 22 || a.soa || !am_name_under(name, &r.owner))
            continue;
        uint32_t minimum = (uint32_t)u16(k->p + r.next - 4) << 16 | u16(k->p + r.next - 2);
        a.soa = true;
        a.ttl = r.ttl < minimum ? r.ttl : minimum;
    }
    return a;
}

static am_wire_result failed(const char *reason)
{
    return (am_wire_result){.kind = AM_WIRE_FAILED, .reason = reason};
}

static am_wire_result done(am_answer *x, uint32_t ttl, uint32_t bound, const am_wire_chain *c)
{
    if (x) {
        if (c->ttl < ttl)
            ttl = c->ttl;
        x->pub.ttl = ttl < bound ? ttl : bound;
        x->pub.secure = c->secure;
    }
    return (am_wire_result){.kind = AM_WIRE_ANSWER, .answer = x};
}

/* No record of the type at the end of the chain. */
static am_wire_result negative(
    const packet *k, const am_wire_name *end, bool moved, uint32_t max_ttl, const am_wire_chain *c)
{
    authority a = read_authority(k, end);
    uint32_t bound = max_ttl < AM_CACHE_MAX_NEGATIVE ? max_ttl : AM_CACHE_MAX_NEGATIVE;
    /* RFC 6604 3: the RCODE is that of the last name. RFC 2308 5: no SOA, no caching. */
    if (k->rcode == NXDOMAIN)
        return done(am_answer_new(AM_DNS_NXDOMAIN, 0, 0), a.ttl, bound, c);
    if (!a.soa && moved)
        return (am_wire_result){.kind = AM_WIRE_ONWARD, .target = *end};
    /* RFC 2308 2.2: NS records without a SOA are a referral. */
    if (!a.soa && a.ns)
        return failed("referral");
    return done(am_answer_new(AM_DNS_NODATA, 0, 0), a.ttl, bound, c);
}

/* RFC 1034 3.6.2: along the CNAMEs of the answer section, in whatever order. */
static am_wire_result follow(
    const packet *k, const am_wire_question *q, bool ad, uint32_t max_ttl, am_wire_chain *c)
{
    am_wire_name name = q->name;
    bool moved = false;
    c->secure = c->secure && ad && (k->p[3] & 0x20);
    for (;;) {
        found f = look(k, &name, q->type);
        if (f.malformed)
            return failed("malformed answer");
        if (f.n && k->rcode == RCODE_OK)
            return done(collect(k, &name, q->type, &f), f.ttl, max_ttl, c);
        if (!f.alias)
            return negative(k, &name, moved, max_ttl, c);
        if (++c->links > AM_WIRE_MAX_LINKS)
            return (am_wire_result){
                .kind = AM_WIRE_ANSWER, .answer = am_answer_failed("CNAME chain too long")};
        c->ttl = f.alias_ttl < c->ttl ? f.alias_ttl : c->ttl;
        name = f.target;
        moved = true;
    }
}

static const char *rcode_word(unsigned rcode)
{
    static const char *const word[] = {NULL, "FORMERR", "SERVFAIL", NULL, "NOTIMP", "REFUSED"};
    return rcode < sizeof word / sizeof *word && word[rcode] ? word[rcode] : "unknown RCODE";
}

am_wire_result am_wire_read(const uint8_t *p, size_t n, const am_wire_question *q, bool tcp,
    bool ad, uint32_t max_ttl, am_wire_chain *chain)
{
    row rows[ROWS];
    memo last = {.pointer = 0};
    packet k = {.p = p, .n = n, .memo = &last, .salt = q->id};
    am_wire_kind kind = match(p, n, q);
    if (kind != AM_WIRE_ANSWER)
        return (am_wire_result){.kind = kind};
    if (n > UINT16_MAX) /* no packet is longer, and `rows` no more */
        return failed("malformed answer");
    /* RFC 2181 9: what came with TC is not used. */
    if (p[2] & 0x02)
        return tcp ? failed("malformed answer") : (am_wire_result){.kind = AM_WIRE_TRUNCATED};
    bool sound = open_packet(&k, HEADER + (size_t)q->name.n + 4, rows);
    /* RFC 6891 6.1.1, 7: who knows EDNS answers with an OPT. */
    if (q->edns && (k.rcode == FORMERR || k.rcode == NOTIMP || k.rcode == BADVERS))
        return (am_wire_result){.kind = AM_WIRE_NO_EDNS, .opt = k.opt && k.rcode != BADVERS};
    if (k.rcode != RCODE_OK && k.rcode != NXDOMAIN)
        return failed(rcode_word(k.rcode));
    if (!sound)
        return failed("malformed answer");
    am_wire_chain before = *chain;
    am_wire_result r = follow(&k, q, ad, max_ttl, chain);
    if (r.kind == AM_WIRE_FAILED)
        *chain = before;
    return r;
}
