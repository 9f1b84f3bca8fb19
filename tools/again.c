/*
 * again: a recorded message, judged again.
 *
 * For: explain. Waits: never, as the answers are there. Memory: a message and a DNS backend until
 * am_again_end, texts in the caller's arena. Callers: one thread.
 */
#include "tools/again.h"
#include "tools/json.h"

#include <string.h>

/* The public suffix list, where the record was made with one. */
static bool set_psl(am_again *x, const am_judge *j, am_options *o, am_error *why)
{
    const char *file = j->conf->dmarc.psl_file;
    if (!x->record->psl)
        return true;
    o->dmarc.psl = x->psl = am_psl_load(*file ? file : NULL, why);
    return x->psl != NULL;
}

/* Without a configuration nobody knows who was trusted: the verdict is as recorded. */
static const am_evidence *keep_trust(am_arena *a, const am_evidence *now, const am_evidence *then)
{
    am_evidence *e = am_arena_alloc(a, sizeof *e);
    if (e) {
        *e = *now;
        e->has_trust = then->has_trust;
        e->trust = then->trust;
    }
    return e;
}

static bool compute(am_arena *a, am_again *x, const am_judge *j, bool judged, am_error *why)
{
    bool full;
    /* The message looks at its options as long as it lives. */
    am_options *o = am_arena_alloc(a, sizeof *o);
    am_error_set(why, "out of memory");
    if (!o)
        return false;
    *o = x->record->options;
    o->explain = true;
    if (judged)
        o->trusted_sealers = j->conf->arc.sealers;
    if (!set_psl(x, j, o, why) || !(x->dns = am_record_dns(x->record, why)))
        return false;
    x->message = am_message_new(x->dns, o);
    if (!x->message)
        return false;
    am_record_feed(x->record, x->message);
    x->evidence = am_record_finish(x->record, x->message);
    if (!judged && !(x->evidence = keep_trust(a, x->evidence, x->record->evidence)))
        return false;
    x->asked = am_dns_lookups(am_message_dns(x->message), &x->asks, &full);
    am_record_compare(&x->differences, x->record->evidence, x->evidence);
    x->computed = true;
    return x->asked != NULL;
}

bool am_again_judge(
    am_arena *a, const am_record *r, const am_judge *j, bool judged, am_again *x, am_error *why)
{
    *x = (am_again){
        .record = r, .evidence = r->evidence, .decision = r->decision, .differences = {.arena = a}};
    if (!r->evidence || (r->cut && !r->lookups))
        return true;
    if (!compute(a, x, j, judged, why)) {
        am_again_end(x);
        return false;
    }
    if (judged) {
        x->decision = am_judge_decide(j->conf, x->evidence, &r->facts);
        x->lacks = am_policy_lacks(j->conf, &r->facts);
        am_record_compare_decision(&x->differences, &r->decision, &x->decision);
    }
    return true;
}

void am_again_end(am_again *x)
{
    am_message_free(x->message);
    am_dns_free(x->dns);
    am_psl_free(x->psl);
    x->message = NULL;
    x->dns = NULL;
    x->psl = NULL;
}

/* ---- JSON ---- */

static void put(json_t *o, const char *key, am_str value)
{
    json_object_set_new(o, key, am_json_str(value));
}

static json_t *evidence(
    am_arena *a, const am_evidence *e, const am_decision *d, const am_judge *j, bool explain)
{
    am_results_options ro = am_judge_results(j->conf, j->conf->authserv_id);
    am_judge_tell_rule(&ro, d);
    am_json_outcome o = {am_action_word(d->action), d->disposition ? d->disposition : "none",
        am_judge_field(a, e, &ro)};
    return am_json_evidence(e, &o, explain);
}

static json_t *lookups(am_arena *a, const am_record *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->lookups; i++) {
        const am_dns_lookup *l = &r->lookup[i];
        json_t *o = json_object();
        put(o, "question", am_dns_question_text(a, l->name, l->type));
        put(o, "answer", am_dns_answer_text(a, l->answer, l->type));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *shadow(am_arena *a, const am_decision *d)
{
    json_t *o = json_object();
    put(o, "action", am_str_of(am_action_word(d->action)));
    put(o, "measure", am_str_of(am_measure_word(d->measure)));
    am_judge_tell_why(o, a, d);
    return o;
}

/* What was recorded, in the words of check. */
static json_t *record(am_arena *a, const am_record *r, const am_judge *j)
{
    const am_evidence *e = r->evidence;
    char ip[AM_IP_TEXT] = "";
    json_t *o = e ? evidence(a, e, &r->decision, j, false) : json_object();
    put(o, "id", r->id);
    put(o, "time", r->time);
    json_object_set_new(o, "took_us", json_integer((json_int_t)r->took_us));
    json_object_set_new(o, "rcpts", json_integer(r->rcpts));
    json_object_set_new(o, "action", json_string(am_action_word(r->decision.action)));
    am_judge_tell_why(o, a, &r->decision);
    if (r->shadowed)
        json_object_set_new(o, "shadow", shadow(a, &r->shadow));
    put(o, "client", am_str_of(e && e->ip.family ? am_ip_text(&e->ip, ip) : ""));
    put(o, "helo", e ? e->helo : (am_str){0});
    put(o, "mail_from", e ? e->mail_from : (am_str){0});
    json_object_set_new(o, "lookups", lookups(a, r));
    return o;
}

static json_t *differences(const am_differences *d)
{
    json_t *list = json_array();
    for (size_t i = 0; i < d->n; i++) {
        json_t *o = json_object();
        put(o, "what", d->item[i].what);
        put(o, "record", d->item[i].recorded);
        put(o, "now", d->item[i].now);
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *lacks(const am_policy_gaps *g)
{
    json_t *list = json_array();
    for (size_t i = 0; i < AM_JUDGE_GAPS; i++)
        if (am_judge_lacks(g, i))
            json_array_append_new(list, json_string(am_judge_gap[i]));
    return list;
}

json_t *am_again_json(am_arena *a, const am_again *x, const am_judge *j)
{
    json_t *o =
        x->evidence ? evidence(a, x->evidence, &x->decision, j, x->computed) : json_object();
    if (!x->evidence)
        put(o, "action", am_str_of(am_action_word(x->decision.action)));
    am_judge_tell_why(o, a, &x->decision);
    json_object_set_new(o, "recipients_unknown", json_boolean(x->lacks.rcpt));
    json_object_set_new(o, "not_recorded", lacks(&x->lacks));
    json_object_set_new(o, "computed", json_boolean(x->computed));
    json_object_set_new(o, "differences", differences(&x->differences));
    json_object_set_new(o, "record", record(a, x->record, j));
    if (!am_arena_failed(a))
        return o;
    json_decref(o);
    return NULL;
}
