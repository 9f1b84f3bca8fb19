/*
 * opendkim: libopendkim behind the door dkim.h, as a second opinion on signatures (RFC 6376).
 *
 * Our own code goes first: it parses and limits the signatures, asks for the keys, and knows the
 * rules on tags, times, keys and lengths. The library is left with what is worth comparing:
 * canonicalisation, the choice of header fields, the digests, and the check of the signature.
 *
 * Each signature gets a library handle of its own and the fields its h= names, nothing else, so
 * that one signature cannot spoil another. What is known to make the library read a message
 * otherwise than the RFCs (see refuse_ below) is not given to it: "not evaluated" is an honest
 * verdict, a wrong pass is not. What it wrongly fails stays so; t/vectors/dkim/differences.txt
 * lists it.
 *
 * Waits for keys in finish alone, through the DNS session; the library asks nobody. (dkim_init
 * itself reads resolv.conf; it cannot be kept from it.) Memory: the engine lies in the arena, the
 * library's pieces in a pool for each signature, which goes in end. Called by dkim.c alone.
 */
#include "libauth/dkim/engine.h"

#include <opendkim/dkim.h>

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define MAX_NAMES 256          /* entries of h= */
#define MAX_FIELDS 2000        /* fields that one h= may cover */
#define MAX_FIELD 60000        /* octets of a signature; the library's buffer ends at 65536 */
#define MAX_MEMORY (64u << 20) /* octets that the library may hold for one signature */
#define MAX_LIST (DKIM_MAXHEADER - 1) /* octets of h= that it compares; it cuts off the rest */

/* ---- The library's memory: bounded, and a failure is remembered, for the library goes on
 * without the octets that it could not keep. ---- */

typedef struct block {
    struct block *prev, *next;
    size_t n;
    _Alignas(max_align_t) unsigned char octets[];
} block;

typedef struct pool {
    block *blocks;
    size_t used;
    bool failed;
} pool;

static void *pool_alloc(void *closure, size_t n)
{
    pool *p = closure;
    block *b = n <= MAX_MEMORY - p->used ? malloc(sizeof *b + n) : NULL;
    if (!b) {
        p->failed = true;
        return NULL;
    }
    *b = (block){.next = p->blocks, .n = n};
    if (p->blocks)
        p->blocks->prev = b;
    p->blocks = b;
    p->used += n;
    return b->octets;
}

static void pool_release(void *closure, void *octets)
{
    pool *p = closure;
    if (!octets)
        return;
    block *b = (block *)(void *)((unsigned char *)octets - offsetof(block, octets));
    if (b->next)
        b->next->prev = b->prev;
    if (b->prev)
        b->prev->next = b->next;
    else
        p->blocks = b->next;
    p->used -= b->n;
    free(b);
}

/* ---- One signature, and all of them. ---- */

typedef struct check {
    am_dkim_item *item;
    DKIM *dkim;          /* NULL: the library never saw it */
    const char *refused; /* why the library is not asked, or cannot say; a constant */
    am_bodyhash *body;   /* for the length of the canonical body */
    am_str key;          /* the record's text, for the callback */
    pool pool;
} check;

typedef struct engine {
    am_dkim_job *job;
    DKIM_LIB *lib;
    check *check;
    size_t n;
    char last[2]; /* the body's last two octets */
    bool any;     /* there is a body */
    bool bare;    /* the body holds a CR or an LF that is no part of a CRLF */
} engine;

/* ---- What the library reads otherwise than the RFCs. ---- */

/* Its relaxed form takes CR, LF, VT and FF for white space wherever they stand, its search for
 * the end of a field stops at NUL. (RFC 6376 3.4.2: WSP is SP and TAB; CRLF alone folds.) */
static bool reads_otherwise(am_str raw)
{
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];
        if (c == '\0' || c == '\v' || c == '\f' || c == '\n')
            return true;
        if (c != '\r')
            continue;
        if (i + 2 >= raw.n || raw.p[i + 1] != '\n' || (raw.p[i + 2] != ' ' && raw.p[i + 2] != '\t'))
            return true;
        i++;
    }
    return false;
}

static const char *refuse_field(am_str raw)
{
    return reads_otherwise(raw) ? "control characters in a signed field" : NULL;
}

static const char *refuse_tags(const am_taglist *t)
{
    for (size_t i = 0; i < t->n; i++) {
        am_str name = t->tag[i].name;
        /* it empties each tag whose name ends in b, not b= alone (RFC 6376 3.7) */
        if (name.n > 1 && name.p[name.n - 1] == 'b')
            return "a tag's name ends in b";
        /* bH= is bh= for it, and the last one counts (RFC 6376 3.2: case matters) */
        if (am_str_iis(name, "bh") && !am_str_is(name, "bh"))
            return "a tag is called bh in other letters";
    }
    return NULL;
}

static const char *refuse_names(am_str names)
{
    am_str rest = names, name;
    size_t n = 0;
    if (names.n > MAX_LIST)
        return "h= is too long";
    while (am_list_next(&rest, ':', &name)) {
        if (++n > MAX_NAMES)
            return "h= has too many names";
        /* it would take the signature itself for a signed field (RFC 6376 3.7) */
        if (am_str_iis(name, "DKIM-Signature"))
            return "h= names DKIM-Signature";
    }
    return NULL;
}

static const char *refuse_signature(const am_signature *s, am_str raw)
{
    const char *why = refuse_tags(&s->tags);
    if (!why && raw.n > MAX_FIELD)
        why = "the field is too long";
    if (!why)
        why = refuse_names(s->names);
    return why ? why : refuse_field(raw);
}

static const char *refuse_key(am_str record)
{
    if (record.n >= 1024)
        return "the key record is too long"; /* the library's buffer */
    if (!record.n || am_str_find(record, '\0') < record.n)
        return "no text in the key record";
    return NULL;
}

/* ---- The header. ---- */

static bool is_named(am_str names, am_str name)
{
    am_str rest = names, item;
    while (am_list_next(&rest, ':', &item))
        if (am_str_ieq(item, name))
            return true;
    return false;
}

static bool give(check *k, am_str raw)
{
    return dkim_header(k->dkim, (u_char *)(uintptr_t)raw.p, raw.n) == DKIM_STAT_OK;
}

/* The library writes past its array when h= uses up every field that it was given: so it is given
 * one more, whose name nobody can know. */
static bool give_spare(check *k)
{
    unsigned char random[16];
    char text[2 + 2 * sizeof random + 3 + 1] = "X-";
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return false;
    for (size_t i = 0; i < sizeof random; i++) {
        text[2 + 2 * i] = (char)('a' + random[i] / 16);
        text[3 + 2 * i] = (char)('a' + random[i] % 16);
    }
    memcpy(text + 2 + 2 * sizeof random, ": -", 4);
    return give(k, am_str_of(text));
}

/* The signature first, so that it is number 0 in the library's list; then the fields of h=. */
static const char *give_header(check *k, const am_header *h)
{
    const am_signature *s = &k->item->sig;
    size_t own = k->item->verdict.field, given = 0;
    if (!give(k, h->field[own].raw))
        return "the library takes the signature for malformed";
    for (size_t i = 0; i < h->n; i++) {
        if (i == own || !is_named(s->names, h->field[i].name))
            continue;
        const char *why = refuse_field(h->field[i].raw);
        if (why)
            return why;
        if (++given > MAX_FIELDS)
            return "h= covers too many fields";
        if (!give(k, h->field[i].raw))
            return "the library takes a signed field for malformed";
    }
    return give_spare(k) ? NULL : "no random octets";
}

/* The library judges t= and x= by the machine's clock (DKIM_OPTS_FIXEDTIME is for signers alone).
 * They have been judged already, by the message's: it is given the drift with which it agrees.
 * False: there is none. */
static bool set_drift(DKIM_LIB *lib, const am_signature *s)
{
    uint64_t clock = (uint64_t)time(NULL), drift = 0;
    if (s->has_expires && clock >= s->expires)
        drift = clock - s->expires + 1;
    if (s->has_created && s->created > clock + drift)
        drift = s->created - clock;
    if (s->has_created && drift > s->created)
        return false; /* it computes t= less drift without a sign */
    return dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_CLOCKDRIFT, &drift, sizeof drift) ==
           DKIM_STAT_OK;
}

static const char *begin_check(engine *e, check *k)
{
    const am_header *h = e->job->header;
    const char *why = refuse_signature(&k->item->sig, h->field[k->item->verdict.field].raw);
    DKIM_STAT status;
    if (why)
        return why;
    if (!set_drift(e->lib, &k->item->sig))
        return "the library's clock is too far off";
    k->dkim = dkim_verify(e->lib, (const u_char *)"-", &k->pool, &status);
    if (!k->dkim)
        return "out of memory";
    dkim_set_user_context(k->dkim, k);
    why = give_header(k, h);
    if (!why && dkim_eoh(k->dkim) != DKIM_STAT_OK)
        why = "the library refuses the header";
    return why;
}

/* ---- The door. ---- */

static DKIM_CBSTAT answer_key(DKIM *dkim, DKIM_SIGINFO *sig, u_char *buf, size_t size)
{
    const check *k = dkim_get_user_context(dkim);
    (void)sig;
    if (k->key.n >= size)
        return DKIM_CBSTAT_ERROR;
    memcpy(buf, k->key.p, k->key.n);
    buf[k->key.n] = '\0';
    return DKIM_CBSTAT_CONTINUE;
}

static bool open_library(engine *e)
{
    unsigned flags = DKIM_LIBFLAGS_DELAYSIGPROC;
    e->lib = dkim_init(pool_alloc, pool_release);
    return e->lib && dkim_set_key_lookup(e->lib, answer_key) == DKIM_STAT_OK &&
           dkim_options(e->lib, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof flags) ==
               DKIM_STAT_OK;
}

static void opendkim_end(void *engine_)
{
    engine *e = engine_;
    for (size_t i = 0; i < e->n; i++) {
        check *k = &e->check[i];
        /* after a failed allocation the library's own lists are not to be walked */
        if (k->dkim && !k->pool.failed)
            dkim_free(k->dkim);
        while (k->pool.blocks)
            pool_release(&k->pool, k->pool.blocks->octets);
    }
    if (e->lib)
        dkim_close(e->lib);
    e->lib = NULL;
    e->n = 0;
}

static void *opendkim_begin(am_dkim_job *job)
{
    engine *e = am_arena_alloc(job->c.arena, sizeof *e);
    check *k = am_arena_array(job->c.arena, job->evaluated, sizeof *k);
    if (!e || !k)
        return NULL;
    *e = (engine){.job = job, .check = k, .n = job->evaluated};
    bool ok = open_library(e);
    for (size_t i = 0; ok && i < e->n; i++) {
        const am_signature *s = &job->item[job->order[i]].sig;
        k[i].item = &job->item[job->order[i]];
        k[i].body = am_bodies_want(job->bodies, s->body, s->length);
        ok = k[i].body != NULL;
        if (ok)
            k[i].refused = begin_check(e, &k[i]);
    }
    if (!ok) {
        opendkim_end(e);
        return NULL;
    }
    return e;
}

/* Bare CR and LF: the library drops octets after them and counts lines that are none. */
static void note_line_ends(engine *e, const char *p, size_t n)
{
    char before = e->last[1];
    for (size_t i = 0; i < n; i++) {
        if ((p[i] == '\n') != (before == '\r'))
            e->bare = true;
        before = p[i];
    }
    e->last[0] = n > 1 ? p[n - 2] : e->last[1];
    e->last[1] = p[n - 1];
}

static void give_body(engine *e, const void *p, size_t n)
{
    for (size_t i = 0; i < e->n; i++) {
        check *k = &e->check[i];
        if (!k->refused && dkim_body(k->dkim, (u_char *)(uintptr_t)p, n) != DKIM_STAT_OK)
            k->refused = "the library refuses the body";
    }
}

static void opendkim_body(void *engine_, const void *p, size_t n)
{
    engine *e = engine_;
    if (!n || e->bare)
        return;
    e->any = true;
    note_line_ends(e, p, n);
    give_body(e, p, n);
}

/* The text of the record that am_dkim_key found: of several, the first that could be it. */
static am_str key_text(engine *e, const am_signature *s)
{
    static const char *const word[] = {[AM_KEY_RSA] = "rsa", [AM_KEY_ED25519] = "ed25519"};
    const am_dns_answer *x = am_dns_peek(e->job->c.dns, s->key_name, AM_DNS_TXT);
    for (size_t i = 0; x && i < x->n; i++) {
        am_taglist t;
        if (x->n == 1)
            return x->rr[0].data;
        if (!am_key_tags(e->job->c.arena, x->rr[i].data, &t))
            continue;
        const am_tag *p = am_taglist_get(&t, "p"), *k = am_taglist_get(&t, "k");
        if (p && p->value.n && am_str_is(k ? k->value : AM_STR("rsa"), word[s->key_type]))
            return x->rr[i].data;
    }
    return (am_str){NULL, 0};
}

/* What the library says of a signature, by everything that it says of it. */
static void judge(engine *e, check *k)
{
    DKIM_SIGINFO **sig = NULL;
    int n = 0;
    DKIM_STAT status = dkim_eom(k->dkim, NULL);
    if (k->pool.failed) {
        am_dkim_judge(e->job, k->item, AM_SIG_NO_MEMORY, (am_str){NULL, 0});
        return;
    }
    if (dkim_getsiglist(k->dkim, &sig, &n) != DKIM_STAT_OK || n != 1) {
        am_dkim_judge(e->job, k->item, AM_SIG_SKIPPED, am_str_of(dkim_getresultstr(status)));
        return;
    }
    int error = dkim_sig_geterror(sig[0]), body = dkim_sig_getbh(sig[0]);
    bool passed = (dkim_sig_getflags(sig[0]) & DKIM_SIGFLAG_PASSED) != 0;
    if (status == DKIM_STAT_OK && passed && body == DKIM_SIGBH_MATCH && error == DKIM_SIGERROR_OK)
        am_dkim_judge_good(e->job, k->item, am_bodyhash_octets(k->body));
    else if (passed && body == DKIM_SIGBH_MISMATCH)
        am_dkim_judge(e->job, k->item, AM_SIG_BODY_HASH, (am_str){NULL, 0});
    else if (error == DKIM_SIGERROR_BADSIG)
        am_dkim_judge(e->job, k->item, AM_SIG_MISMATCH, (am_str){NULL, 0});
    else
        am_dkim_judge(e->job, k->item, AM_SIG_SKIPPED, am_str_of(dkim_sig_geterrorstr(error)));
}

static void finish_check(engine *e, check *k)
{
    const am_signature *s = &k->item->sig;
    if (!am_dkim_key(e->job, k->item))
        return;
    k->key = key_text(e, s);
    if (!k->refused && e->bare)
        k->refused = "bare CR or LF in the body";
    if (!k->refused)
        k->refused = refuse_key(k->key);
    if (k->pool.failed)
        am_dkim_judge(e->job, k->item, AM_SIG_NO_MEMORY, (am_str){NULL, 0});
    else if (k->refused)
        am_dkim_judge(e->job, k->item, AM_SIG_SKIPPED, am_str_of(k->refused));
    else if (s->length != AM_BODY_WHOLE && s->length > am_bodyhash_octets(k->body))
        am_dkim_judge(e->job, k->item, AM_SIG_BODY_SHORT, (am_str){NULL, 0});
    else
        judge(e, k);
}

static void opendkim_finish(void *engine_)
{
    engine *e = engine_;
    /* RFC 6376 3.4.3, 3.4.4: a body without a CRLF at its end gets one. The library does not. */
    if (e->any && (e->last[0] != '\r' || e->last[1] != '\n'))
        opendkim_body(e, "\r\n", 2);
    for (size_t i = 0; i < e->n; i++)
        finish_check(e, &e->check[i]);
}

const am_dkim_ops am_dkim_libopendkim_ops = {
    .begin = opendkim_begin,
    .body = opendkim_body,
    .finish = opendkim_finish,
    .end = opendkim_end,
};
