/*
 * run: one message through the pipeline.
 *
 * For: fuzz targets. The envelope goes in before the header, as the scene has it. Waits: never,
 * with a DNS that answers at once. Memory: the message's. Callers: one thread.
 */
#include "fuzz/run.h"
#include "fuzz/fuzz.h"

/* What stands in the configuration for all scenes that want it. */
static const am_net relays[] = {{{4, {192, 0, 2}}, 24}};
static const am_net locals[] = {{{4, {10}}, 8}};
static const char *const own[] = {"mx.example.org"};
static const am_trust_entry sealers[] = {{{"example.org", 11}, true, true}};

static am_options options(const scene *s, const how *h)
{
    return (am_options){.receiver = "mx.example.org",
        .now = SCENE_NOW,
        .max_memory = h->max_memory,
        .no_prefetch = h->no_prefetch,
        .explain = s->opt['x'],
        .max_fields = s->value['f'],
        .max_header_octets = s->value['h'],
        .dns = {.questions = s->value['q']},
        .spf = {.max_terms = scene_limit(s, 't')},
        .dkim = {.engine = s->opt['k'] ? AM_DKIM_LIBOPENDKIM : AM_DKIM_OWN,
            .max_signatures = s->value['s'],
            .body_length_policy = s->opt['l'],
            .min_rsa_bits = s->value['r']},
        .arc = {.max_sets = s->value['a']},
        .dmarc = {.max_walks = scene_limit(s, 'w')},
        .relay = relays,
        .relays = s->opt['R'],
        .local = locals,
        .locals = s->opt['L'],
        .own = own,
        .owns = s->opt['O'],
        .trusted_sealers = {sealers, s->opt['T']},
        .check_helo = s->opt['H'],
        .check_tls = s->opt['S'],
        .check_trail = s->opt['P'],
        .sender_id = s->opt['I'],
        .trust_auth_parameter = s->opt['A']};
}

/* A fold's CRLF becomes LF, as milters get it. */
static am_str with_lf(am_arena *a, am_str value)
{
    am_buf b = {.arena = a};
    am_buf_add(&b, "", 0);
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != '\r' || i + 1 == value.n || value.p[i + 1] != '\n')
            am_buf_char(&b, value.p[i]);
    return am_buf_get(&b);
}

/* "id" lines: "t" and VERSION, CIPHER, BITS, SUBJECT, ISSUER, VERIFY, a "|" between; else a
 * parameter of MAIL FROM. */
static void parameters(am_message *m, const scene *s)
{
    for (size_t i = 0; i < s->ids; i++) {
        am_str text = s->id[i], part[6];
        if (fuzz_octet(&text) != 't') {
            am_message_parameter(m, s->id[i]);
            continue;
        }
        for (size_t k = 0; k < 6; k++)
            part[k] = fuzz_part(&text, AM_STR("|"));
        am_tls_query q = {part[0], part[1], part[2], part[3], part[4], part[5]};
        am_message_tls(m, &q);
    }
}

static void envelope(am_message *m, const scene *s)
{
    if (s->has_ip)
        am_message_client(m, &s->ip);
    if (s->has_helo)
        am_message_helo(m, s->helo);
    if (s->has_mail)
        am_message_sender(m, s->mail);
    parameters(m, s);
    if (s->has_auth)
        am_message_login(m, &(am_login){.user = s->auth});
}

static void header(am_message *m, const am_eml *eml, const how *h)
{
    am_arena *a = am_arena_new(0);
    for (size_t i = 0; i < eml->header.n; i++) {
        const am_field *f = &eml->header.field[i];
        if (h->as_milter)
            am_message_field(m, f->name, with_lf(a, f->value));
        else
            am_message_field_raw(m, f->raw);
    }
    am_arena_free(a);
}

static void body(am_message *m, am_str all, size_t chunk)
{
    for (size_t at = 0; at < all.n && am_message_wants_body(m);) {
        size_t n = chunk && chunk < all.n - at ? chunk : all.n - at;
        am_message_body(m, all.p + at, n);
        at += n;
    }
}

void run_begin(run *r, const scene *s, const am_eml *eml, const how *h)
{
    r->options = options(s, h);
    r->evidence = NULL;
    r->message = am_message_new(fake_zone_dns(s->zone), &r->options);
    if (!r->message)
        return;
    envelope(r->message, s);
    if (eml) {
        header(r->message, eml, h);
        am_message_eoh(r->message);
        body(r->message, eml->body, h->chunk);
    }
    r->evidence = am_message_finish(r->message);
}

void run_end(run *r)
{
    am_message_free(r->message);
}

am_str run_text(const run *r)
{
    am_arena *a = am_message_arena(r->message);
    am_results_options o = {.authserv_id = "mx.example.org", .full_sender = true};
    am_authres results = am_results(a, r->evidence, &o);
    am_str text = am_authres_write(a, &results, "\n", 24);
    return am_arena_failed(a) ? (am_str){NULL, 0} : text;
}
