/*
 * set: collects the ARC sets of a header and judges their structure.
 *
 * For: RFC 8617 4.1 (fields), 4.2 (sets, instances), 5.2 steps 1 to 3. Waits:
 * never. Memory: the caller's arena. Callers: arc/check.c.
 */
#include "libauth/arc/set.h"
#include "libauth/base/lex.h"
#include "libauth/mail/scan.h"

static const char *const field_name[AM_ARC_KINDS] = {
    "ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"};

static am_arc_kind kind_of(am_str name)
{
    unsigned kind = 0;
    while (kind < AM_ARC_KINDS && !am_str_iis(name, field_name[kind]))
        kind++;
    return (am_arc_kind)kind;
}

/* ---- The instance ---- */

static bool take(am_str *s, char c)
{
    bool there = s->n && *s->p == c;
    if (there)
        *s = am_str_cut(*s, 1, s->n);
    return there;
}

/* RFC 8617 3.9: position = 1*2DIGIT; leading zeros are within it. */
static unsigned take_position(am_str *s)
{
    uint64_t i = 0;
    size_t n = 0;
    while (n < s->n && am_is(s->p[n], AM_DIGIT))
        n++;
    if (!am_str_number(am_str_cut(*s, 0, n), 2, &i))
        return 0;
    *s = am_str_cut(*s, n, s->n);
    return (unsigned)i;
}

/* RFC 8617 3.9, 4.1: [CFWS] %s"i" [CFWS] "=" [CFWS] position [CFWS] ";", taken from the front of
 * *s. The first comment is noted. 0: no such thing stands there. */
static unsigned take_instance(am_str *s, am_str *comment)
{
    am_str rest = *s;
    if (!am_scan_cfws(&rest, comment) || !take(&rest, 'i') || !am_scan_cfws(&rest, comment) ||
        !take(&rest, '=') || !am_scan_cfws(&rest, comment))
        return 0;
    unsigned i = take_position(&rest);
    if (i == 0 || !am_scan_cfws(&rest, comment) || !take(&rest, ';') ||
        !am_scan_clean(am_str_cut(*s, 0, s->n - rest.n), true))
        return 0;
    *s = rest;
    return i;
}

/* RFC 8617 4.1.2, 4.1.3: instance [CFWS] ";" tag-list. Comments may stand round the instance, and
 * a tag list knows none: without them it is one as a whole. Absent: out of memory. */
static am_str as_tag_list(am_arena *a, am_str value)
{
    am_str rest = value, comment = {NULL, 0};
    unsigned i = take_instance(&rest, &comment);
    am_buf b = {.arena = a};
    if (i == 0 || !comment.p)
        return value;
    am_buf_format(&b, "i=%u;", i);
    am_buf_str(&b, rest);
    return b.failed ? (am_str){NULL, 0} : am_buf_get(&b);
}

/* The public suite has i= anywhere among the tags. */
static unsigned tagged_instance(const am_signature *s)
{
    const am_tag *t = am_taglist_get(&s->tags, "i");
    am_str value = t ? t->value : (am_str){NULL, 0};
    unsigned i = take_position(&value);
    return value.n == 0 ? i : 0;
}

/* ---- One field ---- */

/* RFC 8617 4.1.3: cv=; the public suite wants lower case. 3.9: "=" [CFWS] chain-status, and no CFWS
 * behind it. */
static am_arc_cv cv_of(const am_signature *seal)
{
    static const struct {
        const char *word;
        am_arc_cv cv;
    } words[] = {{"none", AM_CV_NONE}, {"fail", AM_CV_FAIL}, {"pass", AM_CV_PASS}};
    const am_tag *t = am_taglist_get(&seal->tags, "cv");
    am_str value = t ? t->value : (am_str){NULL, 0};
    if (!am_scan_cfws(&value, NULL))
        return AM_CV_BAD;
    for (size_t i = 0; i < 3; i++)
        if (am_str_is(value, words[i].word))
            return words[i].cv;
    return AM_CV_BAD;
}

/* RFC 8617 4.1.2 forbids all three ARC fields in h=; signers list the other two, and the public
 * suite wants those to pass. A seal is added later than the AMS: one under it was never signed so.
 */
static bool covers_seal(const am_signature *message)
{
    am_str rest = message->names, name;
    while (am_list_next(&rest, ':', &name))
        if (am_str_iis(name, field_name[AM_ARC_AS]))
            return true;
    return false;
}

/* Reads one field into `f`; its instance, or 0. */
static unsigned read_field(am_arena *a, am_arc_kind kind, am_str value, am_arc_fields *f)
{
    if (kind == AM_ARC_AAR) {
        am_str comment = {NULL, 0};
        unsigned i = take_instance(&value, &comment);
        f->results = value;
        return i;
    }
    value = as_tag_list(a, value);
    if (kind == AM_ARC_AS) {
        f->seal = am_signature_parse(a, AM_SIG_AS, value);
        f->cv = cv_of(&f->seal);
        return tagged_instance(&f->seal);
    }
    f->message = am_signature_parse(a, AM_SIG_AMS, value);
    if (f->message.fault)
        f->message_fault = f->message.fault->reason;
    else if (covers_seal(&f->message))
        f->message_fault = "h= names ARC-Seal";
    return tagged_instance(&f->message);
}

/* ---- The chain ---- */

static void fault(am_arc_chain *c, const char *what, unsigned at)
{
    if (!c->fault) {
        c->fault = what;
        c->at = at;
    }
}

/* RFC 8617 5.2 step 3: exactly one field of each kind an instance. */
static void keep_field(
    am_arena *a, am_arc_chain *c, am_arc_kind kind, const am_header *h, size_t field)
{
    am_arc_fields one = {.cv = AM_CV_BAD};
    unsigned i = read_field(a, kind, h->field[field].value, &one);
    if (i == 0 || i > AM_ARC_MAX) {
        fault(c, i ? "an instance over 50" : "an ARC field without a valid instance", 0);
        return;
    }
    am_arc_fields *f = &c->set[i - 1];
    if (f->has[kind])
        fault(c, "an ARC field that stands twice", i);
    f->has[kind] = true;
    f->field[kind] = field;
    if (kind == AM_ARC_AAR) {
        f->results = one.results;
    } else if (kind == AM_ARC_AMS) {
        f->message = one.message;
        f->message_fault = one.message_fault;
    } else {
        f->seal = one.seal;
        f->cv = one.cv;
    }
    if (i > c->n)
        c->n = i;
}

/* Why a set cannot be part of a valid chain, whatever the signatures say; NULL: it can. */
static const char *judge_set(const am_arc_fields *f, bool first, bool newest)
{
    const am_fault *unreadable = am_sigfault_get(AM_SIG_TAG_LIST);
    if (!f->has[AM_ARC_AAR] || !f->has[AM_ARC_AMS] || !f->has[AM_ARC_AS])
        return "an incomplete set";
    /* RFC 8617 5.2 step 5: an older AMS need not verify; by 4.1.2 it has to be one. */
    if (f->message_fault && (newest || f->message.fault == unreadable))
        return f->message_fault;
    if (f->seal.fault)
        return f->seal.fault->reason;
    if (am_taglist_get(&f->seal.tags, "h")) /* RFC 8617 4.1.3 */
        return "h= in an ARC-Seal";
    if (f->cv != (first ? AM_CV_NONE : AM_CV_PASS))
        return "a wrong cv";
    return NULL;
}

static void judge_structure(am_arc_chain *c)
{
    const am_arc_fields *newest = &c->set[c->n - 1];
    /* RFC 8617 5.2 step 2 */
    if (newest->has[AM_ARC_AS] && newest->cv == AM_CV_FAIL)
        fault(c, "the newest seal says cv=fail", c->n);
    for (unsigned i = 1; i <= c->n && !c->fault; i++) {
        const char *why = judge_set(&c->set[i - 1], i == 1, i == c->n);
        if (why)
            fault(c, why, i);
    }
}

bool am_arc_collect(am_arena *a, const am_header *h, unsigned max_sets, am_arc_chain *out)
{
    *out = (am_arc_chain){0};
    /* Behind the first fault nothing can make the chain right again: three fields a set at most. */
    for (size_t i = 0; i < h->n && !out->fault; i++) {
        am_arc_kind kind = kind_of(h->field[i].name);
        if (kind == AM_ARC_KINDS)
            continue;
        if (!out->set) /* most messages have none, and fifty take 30 KB */
            out->set = am_arena_array(a, AM_ARC_MAX, sizeof *out->set);
        if (!out->set)
            return false;
        keep_field(a, out, kind, h, i);
    }
    if (out->n > max_sets)
        fault(out, "more sets than the limit", 0);
    if (out->n)
        judge_structure(out);
    return !am_arena_failed(a);
}
