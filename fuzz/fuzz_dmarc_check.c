/*
 * fuzz_dmarc_check: tree walks and verdicts over any zone (RFC 9989 4.10).
 *
 * Holds: a walk is 8 questions at the most, and all walks together are bounded; a pass has an
 * identifier that passed and aligns; early asking and the size of memory make no pass. Input: a
 * scene; "domain": the author's; "id": an identifier, its first octet the method, its second the
 * result; options w: bound of the walks, c: octets of memory for a second run.
 */
#include "fuzz/fuzz.h"
#include "fuzz/scene.h"
#include "libauth/base/domain.h"
#include "libauth/dmarc/discover.h"

static size_t identifiers(am_arena *a, const scene *s, am_dmarc_id *id)
{
    size_t n = 0;
    for (size_t i = 0; i < s->ids; i++) {
        am_str text = s->id[i];
        id[n].method = fuzz_octet(&text) == 's' ? AM_DMARC_SPF : AM_DMARC_DKIM;
        unsigned result = fuzz_octet(&text);
        id[n].result = result == 'p' ? AM_PASS : result == 't' ? AM_TEMPERROR : AM_FAIL;
        fuzz_octet(&text);
        n += am_domain_normalise(a, text, &id[n].domain);
    }
    return n;
}

static bool has_pass(const am_dmarc_id *id, size_t n, int method, am_str author)
{
    for (size_t i = 0; i < n; i++)
        if ((int)id[i].method == method && id[i].result == AM_PASS &&
            am_str_eq(am_domain_tail(id[i].domain, 1), am_domain_tail(author, 1)))
            return true;
    return false;
}

static void look(const am_dmarc_verdict *v, const am_dmarc_id *id, size_t n)
{
    FUZZ_NEED(v->result == AM_NONE || v->result == AM_PASS || v->result == AM_FAIL ||
              v->result == AM_TEMPERROR || v->result == AM_PERMERROR);
    FUZZ_NEED(!v->spf_aligned || has_pass(id, n, AM_DMARC_SPF, v->domain));
    FUZZ_NEED(!v->dkim_aligned || has_pass(id, n, AM_DMARC_DKIM, v->domain));
    FUZZ_NEED((v->result == AM_PASS) == (v->spf_aligned || v->dkim_aligned));
    FUZZ_NEED(v->requested <= v->policy || v->result == AM_PERMERROR);
    FUZZ_NEED(v->result == AM_FAIL || v->result == AM_PERMERROR || v->requested == AM_DMARC_NONE);
    FUZZ_NEED(!v->org_domain.p || am_domain_under(v->domain, v->org_domain));
    FUZZ_NEED(!v->policy_domain.p || am_domain_under(v->domain, v->policy_domain));
    fuzz_read(v->record.rua);
    fuzz_read(v->record.ruf);
    fuzz_read(v->record.fo);
}

/* One run; *failed: the arena was exhausted. */
static am_dmarc_verdict check(const scene *s, am_arena *a, bool early, bool *failed)
{
    am_dmarc_id id[SCENE_IDS];
    am_author author = {.status = AM_AUTHOR_BAD, .reason = "malformed From field"};
    am_dmarc_options o = {.max_walks = scene_limit(s, 'w')};
    am_dns_limits dns = {.questions = 100000};
    am_context c = {a, am_dns_begin(fake_zone_dns(s->zone), a, &dns, NULL), NULL, SCENE_NOW};
    am_dmarc_verdict v = {.result = AM_TEMPERROR};
    *failed = true;
    if (!c.dns)
        return v;
    size_t n = identifiers(a, s, id);
    if (am_domain_normalise(a, s->domain, &author.mailbox.domain))
        author.status = AM_AUTHOR_ONE;
    if (early && author.status == AM_AUTHOR_ONE)
        am_dmarc_start(&c, &o, author.mailbox.domain);
    v = am_dmarc_check(&c, &o, &author, id, n);
    *failed = am_arena_failed(a);
    look(&v, id, n);
    unsigned walks = 1 + (o.max_walks ? o.max_walks : 12);
    FUZZ_NEED(fake_dns_waits(c.dns) <= AM_DMARC_QUERIES * walks + 2);
    am_dns_end(c.dns);
    return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scene s = scene_begin(am_str_n(data, size));
    am_arena *a = am_arena_new(0), *b = am_arena_new(0);
    am_arena *small = am_arena_new(s.value['c'] ? s.value['c'] : 3000);
    bool failed;
    am_dmarc_verdict one = check(&s, a, false, &failed), two = check(&s, b, true, &failed);
    FUZZ_NEED(one.result == two.result && one.requested == two.requested);
    FUZZ_NEED(am_str_eq(one.org_domain, two.org_domain));
    am_dmarc_verdict three = check(&s, small, false, &failed);
    FUZZ_NEED(
        failed ? three.result != AM_PASS || one.result == AM_PASS : three.result == one.result);
    am_arena_free(a);
    am_arena_free(b);
    am_arena_free(small);
    scene_end(&s);
    return 0;
}
