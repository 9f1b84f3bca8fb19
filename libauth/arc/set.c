/*
 * set: collects the ARC sets of a header and judges their structure.
 *
 * For: RFC 8617 4.1 (fields), 4.2 (sets, instances), 5.2 steps 1 to 3. Waits:
 * never. Memory: the caller's arena. Callers: arc/check.c.
 */
#include "libauth/arc/set.h"
#include "libauth/base/lex.h"

static const char *const field_name[] = {
    "ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"};
enum { AAR, AMS, AS, OTHER };

static int kind_of(am_str name)
{
    int kind = AAR;
    while (kind < OTHER && !am_str_iis(name, field_name[kind]))
        kind++;
    return kind;
}

static am_str skip_white(am_str s)
{
    while (s.n && am_is(s.p[0], AM_FWS))
        s = am_str_cut(s, 1, s.n);
    return s;
}

/* RFC 8617 4.1.1: instance [CFWS] ";" payload; 4.2.1: 1*2DIGIT, 1 to 50. Returns 0 where there is
 * none. */
static unsigned aar_instance(am_str value, am_str *payload)
{
    uint64_t n;
    size_t semicolon = am_str_find(value, ';');
    am_str head = am_str_trim(am_str_cut(value, 0, semicolon));
    size_t eq = am_str_find(head, '=');
    if (semicolon == value.n || !am_str_is(am_str_trim(am_str_cut(head, 0, eq)), "i"))
        return 0;
    if (!am_str_number(am_str_trim(am_str_cut(head, eq + 1, head.n)), 2, &n))
        return 0;
    *payload = skip_white(am_str_cut(value, semicolon + 1, value.n));
    return (unsigned)n;
}

/* RFC 8617 4.1.3: cv=; the public suite wants lower case. */
static am_arc_cv cv_of(const am_signature *seal)
{
    static const struct {
        const char *word;
        am_arc_cv cv;
    } words[] = {{"none", AM_CV_NONE}, {"fail", AM_CV_FAIL}, {"pass", AM_CV_PASS}};
    const am_tag *t = am_taglist_get(&seal->tags, "cv");
    for (size_t i = 0; t && i < 3; i++)
        if (am_str_is(t->value, words[i].word))
            return words[i].cv;
    return AM_CV_BAD;
}

static void fault(am_arc_chain *c, const char *what, unsigned at)
{
    if (!c->fault) {
        c->fault = what;
        c->at = at;
    }
}

/* RFC 8617 5.2 step 3: exactly one field of each kind an instance. */
static void keep_field(am_arena *a, am_arc_chain *c, int kind, const am_header *h, size_t at)
{
    am_str value = h->field[at].value, payload = {0};
    am_signature sig = {0};
    unsigned i;
    if (kind == AAR) {
        i = aar_instance(value, &payload);
    } else {
        sig = am_signature_parse(a, kind == AMS ? AM_SIG_AMS : AM_SIG_AS, value);
        i = sig.instance;
    }
    if (i == 0 || i > AM_ARC_MAX) {
        fault(c, i ? "an instance over 50" : "an ARC field without a valid instance", 0);
        return;
    }
    am_arc_fields *f = &c->set[i - 1];
    bool *has = kind == AAR ? &f->has_aar : kind == AMS ? &f->has_ams : &f->has_as;
    if (*has)
        fault(c, "an ARC field that stands twice", i);
    *has = true;
    if (kind == AAR) {
        f->aar = at;
        f->results = payload;
    } else if (kind == AMS) {
        f->ams = at;
        f->message = sig;
    } else {
        f->as = at;
        f->seal = sig;
        f->cv = cv_of(&sig);
    }
    if (i > c->n)
        c->n = i;
}

/* RFC 8617 4.1.2 forbids all three ARC fields in h=; signers list the other two, and the public
 * suite wants those to pass. A seal is added later than the AMS: one under it was never signed so.
 */
static bool covers_seal(const am_signature *message)
{
    am_str rest = message->names, name;
    while (am_list_next(&rest, ':', &name))
        if (am_str_iis(name, field_name[AS]))
            return true;
    return false;
}

static void judge_structure(am_arc_chain *c)
{
    const am_arc_fields *newest = &c->set[c->n - 1];
    /* RFC 8617 5.2 step 2 */
    if (newest->has_as && newest->cv == AM_CV_FAIL)
        fault(c, "the newest seal says cv=fail", c->n);
    for (unsigned i = 1; i <= c->n; i++) {
        const am_arc_fields *f = &c->set[i - 1];
        if (!f->has_aar || !f->has_ams || !f->has_as)
            fault(c, "an incomplete set", i);
        else if (f->message.fault)
            fault(c, f->message.fault->reason, i);
        else if (covers_seal(&f->message))
            fault(c, "h= names ARC-Seal", i);
        else if (f->seal.fault)
            fault(c, f->seal.fault->reason, i);
        else if (f->cv != (i == 1 ? AM_CV_NONE : AM_CV_PASS))
            fault(c, "a wrong cv", i);
    }
}

bool am_arc_collect(am_arena *a, const am_header *h, unsigned max_sets, am_arc_chain *out)
{
    bool any = false;
    *out = (am_arc_chain){.set = am_arena_array(a, AM_ARC_MAX, sizeof *out->set)};
    if (!out->set)
        return false;
    for (size_t i = 0; i < h->n; i++) {
        int kind = kind_of(h->field[i].name);
        if (kind == OTHER)
            continue;
        any = true;
        /* Three fields a set at most: whatever follows cannot make the chain right again. */
        if (out->fault)
            continue;
        keep_field(a, out, kind, h, i);
    }
    if (out->n > max_sets)
        fault(out, "more sets than the limit", 0);
    if (out->n)
        judge_structure(out);
    else if (any)
        fault(out, "an ARC field without a valid instance", 0);
    return !am_arena_failed(a);
}
