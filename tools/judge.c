/*
 * judge: what the words that judge messages share.
 *
 * For: check, explain, replay. Waits: for files. Memory: the caller's arena; configurations are
 * freed by am_judge_free. Callers: tools.
 */
#include "tools/judge.h"
#include "milter/strip.h"
#include "tools/json.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char own_file[] = SYSCONFDIR "/authmill/authmill.conf";

int am_judge_load(const am_tool *tool, const char *file, am_judge *out)
{
    am_error why;
    out->file = file ? file : access(own_file, R_OK) == 0 ? own_file : NULL;
    out->conf = out->file ? am_conf_load(out->file, &why) : am_conf_defaults(&why);
    return out->conf ? EX_OK : am_tool_fail(tool, EX_CONFIG, "%s", why.text);
}

void am_judge_free(am_judge *j)
{
    am_conf_free(j->conf);
    j->conf = NULL;
}

void am_judge_feed(am_message *m, const am_eml *eml)
{
    for (size_t i = 0; i < eml->header.n; i++)
        am_message_field_raw(m, eml->header.field[i].raw);
    am_message_eoh(m);
    if (am_message_wants_body(m))
        am_message_body(m, eml->body.p, eml->body.n);
}

bool am_judge_hides(const am_message *m, const am_eml *eml)
{
    size_t i = am_message_header(m)->n;
    while (i < eml->header.n && !am_strip_hides_results(eml->header.field[i].value))
        i++;
    return i < eml->header.n;
}

am_decision am_judge_decide(const am_conf *c, const am_evidence *e, const am_facts *f)
{
    if (!e->hop.relayed && am_conf_skips(c, &e->ip, e->auth_user.n > 0))
        return am_policy_skip(f);
    return am_policy_decide(c, e, f);
}

const char *const am_judge_gap[AM_JUDGE_GAPS] = {"recipients", "size", "list", "listener"};

bool am_judge_lacks(const am_policy_gaps *g, size_t i)
{
    const bool lacks[AM_JUDGE_GAPS] = {g->rcpt, g->octets, g->header, g->listener};
    return lacks[i];
}

am_results_options am_judge_results(const am_conf *c, const char *authserv_id)
{
    return (am_results_options){.authserv_id = authserv_id,
        .full_sender = c->authres.full_sender,
        .dnssec = c->authres.dnssec};
}

void am_judge_tell_rule(am_results_options *o, const am_decision *d)
{
    if (!d->rule || d->monitored)
        return;
    o->rule = d->rule->title;
    o->reason = *d->rule->reason ? d->rule->reason : NULL;
}

static void put(json_t *o, const char *key, am_str value)
{
    json_object_set_new(o, key, am_json_str(value));
}

void am_judge_tell_why(json_t *o, am_arena *a, const am_decision *d)
{
    am_str rule = am_str_of(d->rule ? d->rule->title : ""), why = am_str_of(d->why);
    json_t *steps = json_object_get(o, "explain"), *step = steps ? json_object() : NULL;
    put(o, "why", why);
    put(o, "rule", rule);
    put(o, "reply",
        d->code ? am_str_format(a, "%s %s %s", d->code, d->xcode, d->text) : AM_STR(""));
    if (!step)
        return;
    put(step, "step", AM_STR("policy"));
    put(step, "rfc", AM_STR("9989 5.4"));
    put(step, "question", rule.n ? am_str_format(a, "rule \"%.*s\"", AM_ARG(rule)) : why);
    put(step, "answer",
        am_str_format(a, "%s%s%s", d->monitored ? "monitored, would be " : "",
            am_measure_word(d->would), d->mixed ? "; the recipients' rules differ" : ""));
    json_array_append_new(steps, step);
}

am_str am_judge_field(am_arena *a, const am_evidence *e, const am_results_options *o)
{
    am_buf b = {.arena = a};
    am_authres results = am_results(a, e, o);
    am_str folded = am_authres_write(a, &results, "\n", sizeof "Authentication-Results: " - 1);
    for (size_t i = 0; i < folded.n; i++)
        if (folded.p[i] == '\n')
            am_buf_char(&b, ' ');
        else if (folded.p[i] != '\t' || i == 0 || folded.p[i - 1] != '\n')
            am_buf_char(&b, folded.p[i]);
    return am_arena_failed(a) ? (am_str){NULL, 0} : am_buf_get(&b);
}

bool am_judge_append(am_judge_list *l, const char *value)
{
    if (l->n == AM_JUDGE_LIST)
        return false;
    l->item[l->n++] = value;
    return true;
}

/* What keeps a file from being read, as errno; 0: nothing known. */
static int reading_error(const char *file)
{
    struct stat st;
    if (access(file, R_OK) != 0 || stat(file, &st) != 0)
        return errno;
    return S_ISDIR(st.st_mode) ? EISDIR : 0;
}

int am_judge_dns(
    const am_tool *tool, const am_judge_list *zones, const am_judge_list *nameservers, am_dns **out)
{
    am_error why;
    int wrong;
    for (size_t i = 0; i < zones->n; i++) {
        int error = reading_error(zones->item[i]);
        if (error)
            return am_tool_fail(tool, EX_NOINPUT, "%s: %s", zones->item[i], strerror(error));
    }
    if (zones->n) {
        *out = am_dns_zonefiles(zones->item, zones->n, &why);
        wrong = EX_DATAERR;
    } else {
        am_dns_options o = {.nameserver = nameservers->item, .nameservers = nameservers->n};
        *out = am_dns_network(&o, &why);
        wrong = nameservers->n ? EX_USAGE : EX_UNAVAILABLE;
    }
    return *out ? EX_OK : am_tool_fail(tool, wrong, "%s", why.text);
}
