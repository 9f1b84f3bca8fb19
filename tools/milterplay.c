/*
 * milterplay: one message through a milter, the MTA's part of the conversation.
 *
 * For: version 6 of the milter protocol, as Postfix speaks it: every action and
 * step is offered, what was negotiated is kept to. Waits: for the milter,
 * bounded by the wire. Memory: the caller's arena. Callers: try.
 */
#include "config.h"

#include "tools/milterplay.h"

#include <string.h>

enum { STAGES = 7 }; /* SETSYMLIST: connect, helo, mail, rcpt, data, eom, eoh */

typedef struct play {
    am_wire *wire;
    am_arena *arena;
    const am_play_envelope *env;
    const char *rcpt; /* the recipient of this moment */
    am_str macros[STAGES];
    am_play_result *out;
} play;

/* What a step leads to. */
typedef enum next { GO, OVER, REFUSED, SKIPPED, BROKEN } next;

/* A step of the MTA. */
typedef struct step {
    char command;
    int stage; /* of its macros; -1: none */
    unsigned no_send, no_reply;
    const char *name;
} step;

static const step steps[] = {
    {AM_MILTER_CONNECT, 0, AM_STEP_NO_CONNECT, AM_STEP_NR_CONNECT, "connect"},
    {AM_MILTER_HELO, 1, AM_STEP_NO_HELO, AM_STEP_NR_HELO, "helo"},
    {AM_MILTER_MAIL, 2, AM_STEP_NO_MAIL, AM_STEP_NR_MAIL, "mail"},
    {AM_MILTER_RCPT, 3, AM_STEP_NO_RCPT, AM_STEP_NR_RCPT, "rcpt"},
    {AM_MILTER_DATA, 4, AM_STEP_NO_DATA, AM_STEP_NR_DATA, "data"},
    {AM_MILTER_HEADER, -1, AM_STEP_NO_HEADER, AM_STEP_NR_HEADER, "header"},
    {AM_MILTER_EOH, 6, AM_STEP_NO_EOH, AM_STEP_NR_EOH, "end of header"},
    {AM_MILTER_BODY, -1, AM_STEP_NO_BODY, AM_STEP_NR_BODY, "body"},
    {AM_MILTER_EOM, 5, 0, 0, "end of message"},
};

/* Sent at a stage where the milter names none: as Postfix does. */
static const char *const default_macros[STAGES] = {
    "j {daemon_name} v {client_addr} {client_name}",
    "",
    "{auth_type} {auth_authen} {mail_addr} {mail_mailer}",
    "{rcpt_addr} {rcpt_mailer}",
    "i",
    "i",
    "i",
};

/* A change: which action allows it, and how its data is laid out. */
static const struct edit_rule {
    char code;
    unsigned action;
    bool index; /* begins with 32 bits */
    int texts;  /* texts that each end in NUL */
} edit_rules[] = {
    {AM_MILTER_ADDHEADER, AM_ACTION_ADDHDRS, false, 2},
    {AM_MILTER_INSHEADER, AM_ACTION_ADDHDRS, true, 2},
    {AM_MILTER_CHGHEADER, AM_ACTION_CHGHDRS, true, 2},
    {AM_MILTER_ADDRCPT, AM_ACTION_ADDRCPT, false, 1},
    {AM_MILTER_ADDRCPT_PAR, AM_ACTION_ADDRCPT_PAR, false, 1},
    {AM_MILTER_DELRCPT, AM_ACTION_DELRCPT, false, 1},
    {AM_MILTER_CHGFROM, AM_ACTION_CHGFROM, false, 1},
    {AM_MILTER_QUARANTINE, AM_ACTION_QUARANTINE, false, 1},
    {AM_MILTER_REPLBODY, AM_ACTION_CHGBODY, false, 0},
};

static next broken(play *p, const char *what, char code)
{
    am_error_set(p->wire->error, "the milter breaks the protocol: %s ('%c', 0x%02x)", what, code,
        (unsigned char)code);
    return BROKEN;
}

static next no_memory(play *p)
{
    am_error_set(p->wire->error, "the milter answers too much, or memory is short");
    return BROKEN;
}

/* Takes a text that ends in NUL off `s`; false: there is none. */
static bool take_text(am_str *s, am_str *text)
{
    size_t n = am_str_find(*s, '\0');
    if (n == s->n)
        return false;
    *text = am_str_cut(*s, 0, n);
    *s = am_str_cut(*s, n + 1, s->n);
    return true;
}

/* ---- macros */

static const char *macro_value(const play *p, am_str name, int stage, char ip[static AM_IP_TEXT])
{
    if (am_str_is(name, "i")) /* no queue file before the first recipient is taken */
        return stage < 4 ? NULL : "4aUtHmIlLtRy";
    if (am_str_is(name, "client_addr"))
        return p->env->ip.family ? am_ip_text(&p->env->ip, ip) : NULL;
    const struct {
        const char *name, *value;
    } known[] = {
        {"j", p->env->receiver},
        {"v", "authmill " PACKAGE_VERSION},
        {"daemon_name", "authmill-try"},
        {"client_name", "unknown"},
        {"auth_authen", p->env->auth},
        {"auth_type", p->env->auth ? "PLAIN" : NULL},
        {"mail_addr", stage >= 2 ? p->env->mail_from : NULL},
        {"mail_mailer", stage >= 2 ? "smtp" : NULL},
        {"rcpt_addr", stage == 3 ? p->rcpt : NULL},
        {"rcpt_mailer", stage == 3 ? "smtp" : NULL},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (am_str_is(name, known[i].name))
            return known[i].value;
    return NULL;
}

/* Sends the macros of a step, those that have a value. */
static bool send_macros(play *p, const step *s)
{
    am_buf b = {.arena = p->arena};
    am_str names = s->stage < 0 ? AM_STR("") : p->macros[s->stage];
    am_buf_char(&b, s->command);
    while (names.n) {
        size_t end = am_str_find(names, ' ');
        am_str name = am_str_cut(names, 0, end);
        names = am_str_cut(names, end + 1, names.n);
        if (name.n > 2 && name.p[0] == '{' && name.p[name.n - 1] == '}')
            name = am_str_cut(name, 1, name.n - 1);
        char ip[AM_IP_TEXT];
        const char *value = macro_value(p, name, s->stage, ip);
        if (!value)
            continue;
        am_buf_format(&b, name.n == 1 ? "%.*s" : "{%.*s}", AM_ARG(name));
        am_buf_add(&b, "", 1);
        am_buf_add(&b, value, strlen(value) + 1);
    }
    if (b.failed) {
        no_memory(p);
        return false;
    }
    return b.n == 1 || am_wire_send(p->wire, AM_MILTER_MACRO, am_buf_get(&b));
}

/* SETSYMLIST behind the answer to OPTNEG: 32 bits of stage and a text, repeated. */
static bool take_macro_lists(play *p, am_str data)
{
    while (data.n >= 4) {
        uint32_t stage = am_wire_get32(data.p);
        am_str names;
        data = am_str_cut(data, 4, data.n);
        if (stage >= STAGES || !take_text(&data, &names))
            return false;
        p->macros[stage] = names;
    }
    return data.n == 0;
}

/* ---- answers */

static next verdict(play *p, const step *s, char code, am_str reply)
{
    p->out->verdict = code;
    p->out->reply = reply;
    p->out->stage = s->name;
    bool one_rcpt =
        s->command == AM_MILTER_RCPT && (code == AM_MILTER_REJECT || code == AM_MILTER_TEMPFAIL);
    return one_rcpt ? REFUSED : OVER;
}

/* "550 5.7.1 text" and a NUL; RFC 5321 4.2: three digits, of which 4 or 5 is the first. */
static next reply_code(play *p, const step *s, am_str data)
{
    am_str text;
    bool good = take_text(&data, &text) && text.n >= 3 && am_str_find(AM_STR("45"), text.p[0]) < 2;
    for (size_t i = 1; good && i < 3; i++)
        good = text.p[i] >= '0' && text.p[i] <= '9';
    if (!good)
        return broken(p, "a reply without a code", AM_MILTER_REPLYCODE);
    return verdict(p, s, text.p[0] == '4' ? AM_MILTER_TEMPFAIL : AM_MILTER_REJECT, text);
}

static am_play_edit *new_edit(play *p)
{
    am_play_result *r = p->out;
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 16;
        am_play_edit *more =
            r->n < AM_PLAY_EDITS ? am_arena_array(p->arena, cap, sizeof *more) : NULL;
        if (!more)
            return NULL;
        if (r->n)
            memcpy(more, r->edit, r->n * sizeof *more);
        r->edit = more;
        r->cap = cap;
    }
    return &r->edit[r->n++];
}

static next take_edit(play *p, char code, am_str data)
{
    const struct edit_rule *rule = NULL;
    for (size_t i = 0; i < sizeof edit_rules / sizeof edit_rules[0]; i++)
        if (edit_rules[i].code == code)
            rule = &edit_rules[i];
    if (!rule)
        return broken(p, "an unknown answer", code);
    if (!(p->out->actions & rule->action))
        return broken(p, "a change that was not negotiated", code);
    am_play_edit e = {.code = code, .value = data};
    if (rule->index) {
        if (data.n < 4)
            return broken(p, "a change without its number", code);
        e.index = am_wire_get32(data.p);
        data = am_str_cut(data, 4, data.n);
    }
    if ((rule->texts > 0 && !take_text(&data, &e.name)) ||
        (rule->texts > 1 && !take_text(&data, &e.value)))
        return broken(p, "a change whose text does not end", code);
    if (code == AM_MILTER_QUARANTINE) {
        p->out->quarantined = true;
        p->out->quarantine = e.name;
        return GO;
    }
    am_play_edit *kept = new_edit(p);
    if (!kept)
        return no_memory(p);
    *kept = e;
    return GO;
}

/* What a milter may answer at a step, up to the answer that ends it. */
static next take_answer(play *p, const step *s)
{
    for (;;) {
        char code;
        am_str data;
        if (!am_wire_receive(p->wire, p->arena, &code, &data))
            return BROKEN;
        switch (code) {
        case AM_MILTER_PROGRESS:
            continue;
        case AM_MILTER_CONTINUE:
            return s->command == AM_MILTER_EOM ? verdict(p, s, AM_MILTER_ACCEPT, (am_str){NULL, 0})
                                               : GO;
        case AM_MILTER_ACCEPT:
        case AM_MILTER_REJECT:
        case AM_MILTER_TEMPFAIL:
        case AM_MILTER_DISCARD:
            return verdict(p, s, code, (am_str){NULL, 0});
        case AM_MILTER_REPLYCODE:
            return reply_code(p, s, data);
        case AM_MILTER_SHUTDOWN:
        case AM_MILTER_CONN_FAIL:
            verdict(p, s, AM_MILTER_TEMPFAIL, AM_STR("421"));
            return OVER;
        case AM_MILTER_SKIP:
            if (s->command != AM_MILTER_BODY || !(p->out->steps & AM_STEP_SKIP))
                return broken(p, "'skip' where it may not stand", code);
            return SKIPPED;
        default:
            if (s->command != AM_MILTER_EOM)
                return broken(p, "a change before the end of the message", code);
            if (take_edit(p, code, data) == BROKEN)
                return BROKEN;
        }
    }
}

/* ---- the conversation */

static next take_step(play *p, char command, am_str data)
{
    const step *s = steps;
    while (s->command != command)
        s++;
    if (p->out->steps & s->no_send)
        return GO;
    if (!send_macros(p, s) || !am_wire_send(p->wire, command, data))
        return BROKEN;
    return p->out->steps & s->no_reply ? GO : take_answer(p, s);
}

static next negotiate(play *p)
{
    char offer[12], code;
    am_str data;
    am_wire_put32(offer, AM_MILTER_VERSION);
    am_wire_put32(offer + 4, AM_ACTION_ALL);
    am_wire_put32(offer + 8, AM_STEP_ALL);
    if (!am_wire_send(p->wire, AM_MILTER_OPTNEG, am_str_n(offer, sizeof offer)) ||
        !am_wire_receive(p->wire, p->arena, &code, &data))
        return BROKEN;
    if (code != AM_MILTER_OPTNEG || data.n < sizeof offer)
        return broken(p, "no answer to the negotiation", code);
    p->out->version = am_wire_get32(data.p);
    p->out->actions = am_wire_get32(data.p + 4);
    p->out->steps = am_wire_get32(data.p + 8);
    if (p->out->version < 2 || p->out->version > AM_MILTER_VERSION)
        return broken(p, "a version that was not offered", code);
    if ((p->out->actions & ~(uint32_t)AM_ACTION_ALL) || (p->out->steps & ~(uint32_t)AM_STEP_ALL))
        return broken(p, "actions or steps that were not offered", code);
    for (int i = 0; i < STAGES; i++)
        p->macros[i] = am_str_of(default_macros[i]);
    if (!take_macro_lists(p, am_str_cut(data, sizeof offer, data.n)))
        return broken(p, "a list of macros that does not end", code);
    return GO;
}

static next play_connect(play *p)
{
    char ip[AM_IP_TEXT];
    am_buf b = {.arena = p->arena};
    const am_ip *a = &p->env->ip;
    if (a->family) {
        am_ip_text(a, ip);
        am_buf_format(&b, "[%s]", ip);
        am_buf_add(&b, a->family == 4 ? "\0004\0\0" : "\0006\0\0", 4);
        am_buf_add(&b, ip, strlen(ip) + 1);
    } else {
        am_buf_add(&b, "unknown\0U", 9); /* the family of no address */
    }
    if (b.failed)
        return no_memory(p);
    next n = take_step(p, AM_MILTER_CONNECT, am_buf_get(&b));
    if (n == GO && p->env->helo)
        n = take_step(p, AM_MILTER_HELO, am_str_n(p->env->helo, strlen(p->env->helo) + 1));
    return n;
}

static next play_path(play *p, char command, const char *address)
{
    am_buf b = {.arena = p->arena};
    am_buf_format(&b, "<%s>", address);
    am_buf_add(&b, "", 1);
    return b.failed ? no_memory(p) : take_step(p, command, am_buf_get(&b));
}

static next play_envelope(play *p)
{
    static const char *const postmaster = "postmaster";
    const char *const *rcpt = p->env->rcpts ? p->env->rcpt : &postmaster;
    size_t rcpts = p->env->rcpts ? p->env->rcpts : 1, taken = 0;
    next n = play_path(p, AM_MILTER_MAIL, p->env->mail_from);
    for (size_t i = 0; i < rcpts && n == GO; i++) {
        p->rcpt = rcpt[i];
        n = play_path(p, AM_MILTER_RCPT, rcpt[i]);
        taken += n == GO;
        if (n == REFUSED)
            n = GO;
    }
    if (n != GO)
        return n;
    return taken ? take_step(p, AM_MILTER_DATA, (am_str){NULL, 0}) : OVER;
}

/* A header field as an MTA gives it to a milter: folds as LF, a C string (what
 * a NUL hides does not arrive), the space before the value only where wanted. */
static next play_field(play *p, const am_field *f)
{
    am_buf b = {.arena = p->arena};
    am_str value = am_str_cut(f->value, 0, am_str_find(f->value, '\0'));
    if (!(p->out->steps & AM_STEP_LEADSPC) && value.n && value.p[0] == ' ')
        value = am_str_cut(value, 1, value.n);
    am_buf_str(&b, f->name);
    am_buf_add(&b, "", 1);
    while (value.n) {
        size_t cr = am_str_find(value, '\r');
        bool fold = cr + 1 < value.n && value.p[cr + 1] == '\n';
        am_buf_str(&b, am_str_cut(value, 0, fold ? cr : cr + 1));
        value = am_str_cut(value, cr + 1, value.n);
    }
    am_buf_add(&b, "", 1);
    return b.failed ? no_memory(p) : take_step(p, AM_MILTER_HEADER, am_buf_get(&b));
}

static next play_message(play *p, const am_eml *m)
{
    next n = GO;
    for (size_t i = 0; i < m->header.n && n == GO; i++)
        n = play_field(p, &m->header.field[i]);
    if (n == GO)
        n = take_step(p, AM_MILTER_EOH, (am_str){NULL, 0});
    for (size_t at = 0; at < m->body.n && n == GO; at += AM_MILTER_CHUNK)
        n = take_step(p, AM_MILTER_BODY, am_str_cut(m->body, at, at + AM_MILTER_CHUNK));
    if (n == GO || n == SKIPPED)
        n = take_step(p, AM_MILTER_EOM, (am_str){NULL, 0});
    return n;
}

bool am_play(
    am_wire *w, am_arena *a, const am_play_envelope *env, const am_eml *m, am_play_result *out)
{
    play p = {.wire = w, .arena = a, .env = env, .out = out};
    *out = (am_play_result){.verdict = AM_MILTER_ACCEPT, .stage = ""};
    next n = negotiate(&p);
    if (n == GO)
        n = play_connect(&p);
    if (n == GO)
        n = play_envelope(&p);
    if (n == GO)
        n = play_message(&p, m);
    if (n == BROKEN)
        return false;
    /* the verdict stands: whether the milter hears the farewell does not matter */
    am_error ignored;
    w->error = &ignored;
    (void)am_wire_send(w, AM_MILTER_QUIT, (am_str){NULL, 0});
    return true;
}
