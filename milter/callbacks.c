/*
 * callbacks: the way of a message, as the MTA tells it.
 *
 * For: libmilter, whose threads call. Every function here hands on what it was given and answers;
 * whoever wants to know what happens reads milter/session.c next. Waits: at the end of a message
 * alone. Memory: a session a connection, kept as libmilter's private data. Callers: libmilter.
 */
#include "milter/callbacks.h"
#include "milter/log.h"
#include "milter/session.h"
#include "milter/worker.h"

#include <libmilter/mfdef.h>

#include <stdio.h>

/* Steps that we never want to hear of, and those that need no answer; some rules and limits want
 * more: wanted_steps. */
enum {
    NOT_WANTED = SMFIP_NORCPT | SMFIP_NODATA | SMFIP_NOUNKNOWN,
    NO_ANSWER = SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_HDR | SMFIP_NR_EOH,
    NEEDED = SMFIF_ADDHDRS | SMFIF_CHGHDRS,
    WELCOME = SMFIF_QUARANTINE | SMFIF_SETSYMLIST,
};

/* Postfix has them at HELO, Sendmail at both. */
#define TLS_MACROS "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer} {verify}"

static char results_name[] = "Authentication-Results";
static char listener_name[] = "{daemon_name}", listener_port[] = "{daemon_port}";

/* The private data of a connection that is one too many. */
static const char one_too_many;

/* The connection's session, if there is one. */
static am_session *known_session(SMFICTX *ctx)
{
    void *mine = smfi_getpriv(ctx);
    return mine == &one_too_many ? NULL : mine;
}

/* The same; made here for one that came without a negotiation (SMFIC_QUIT_NC). NULL: out of
 * memory, or too many. */
static am_session *session_of(SMFICTX *ctx)
{
    am_session *s = known_session(ctx);
    if (smfi_getpriv(ctx) == &one_too_many)
        return NULL;
    if (!s && (s = am_worker_enter()) && smfi_setpriv(ctx, s) != MI_SUCCESS) {
        am_worker_leave(s);
        s = NULL;
    }
    return s;
}

/* The answer to a step that is not the last: none, where that was agreed on. */
static sfsistat go_on(const am_session *s, unsigned long no_answer)
{
    return am_session_terms(s)->steps & no_answer ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

/* Only these macros are looked at; the MTA need not send others. j, which every MTA has, makes it
 * send a list with each MAIL: without one libmilter keeps that of the message before, login and
 * all.
 */
static void ask_for_macros(SMFICTX *ctx, const am_policy_needs *n)
{
    const struct {
        int where;
        const char *macros;
    } want[] = {{SMFIM_CONNECT, n->listener ? "{daemon_name} {daemon_port}" : ""},
        {SMFIM_HELO, TLS_MACROS},
        {SMFIM_ENVFROM, "j {auth_authen} {auth_type} {auth_author} " TLS_MACROS},
        {SMFIM_ENVRCPT, ""}, {SMFIM_DATA, ""}, {SMFIM_EOH, "i"}, {SMFIM_EOM, "i"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        (void)smfi_setsymlist(ctx, want[i].where, (char *)(uintptr_t)want[i].macros);
}

/* The steps that are left out, or left without an answer, as far as the configuration allows. */
static unsigned long unwanted_steps(const am_policy_needs *n)
{
    unsigned long steps = NOT_WANTED | NO_ANSWER;
    if (am_worker_may_be_crowded())
        steps &= ~(unsigned long)SMFIP_NR_CONN;
    if (n->early == AM_STAGE_MAIL)
        steps &= ~(unsigned long)SMFIP_NR_MAIL;
    if (n->rcpt || n->early != AM_STAGE_END || am_worker_keeps_decisions())
        steps &= ~(unsigned long)SMFIP_NORCPT;
    return steps;
}

/* What is agreed on, of what the MTA offers. */
static am_terms agree(const am_policy_needs *n, unsigned long actions, unsigned long steps)
{
    am_terms t = {.leading_space = steps & SMFIP_HDR_LEADSPC,
        .quarantine = actions & SMFIF_QUARANTINE,
        .steps = steps & (unwanted_steps(n) | SMFIP_HDR_LEADSPC | SMFIP_SKIP)};
    /* A chunk of the body that is answered can say that no more is wanted (SMFIP_SKIP). One that
     * needs no answer costs half: nobody waits for anybody. Most mail is signed, and all of it is
     * wanted. */
    if (steps & SMFIP_NR_BODY)
        t.steps = (t.steps & ~(unsigned long)SMFIP_SKIP) | SMFIP_NR_BODY;
    return t;
}

/* Too many at a time: the client is told 451 at once, which needs an answer to the next step. An
 * MTA that hears no agreement would do what it does without a milter: take the mail, perhaps. */
static sfsistat refuse_politely(SMFICTX *ctx, unsigned long actions, unsigned long steps,
    unsigned long *want_actions, unsigned long *want_steps)
{
    am_log(LOG_ERR, "client refused: limits.sessions is reached, or no memory");
    *want_actions = actions & NEEDED;
    *want_steps = steps & NOT_WANTED;
    return smfi_setpriv(ctx, (void *)(uintptr_t)&one_too_many) == MI_SUCCESS ? SMFIS_CONTINUE
                                                                             : SMFIS_REJECT;
}

/* The answer to a step of a connection without a session. */
static sfsistat turn_away(SMFICTX *ctx)
{
    (void)smfi_setreply(ctx, "451", "4.3.2", "Too many connections, try again later");
    return SMFIS_TEMPFAIL;
}

static sfsistat refuse_mta(void)
{
    am_log(LOG_ERR, "MTA refused: it lets no fields be changed");
    return SMFIS_REJECT;
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps,
    unsigned long f2, unsigned long f3, unsigned long *want_actions, unsigned long *want_steps,
    unsigned long *want_f2, unsigned long *want_f3)
{
    *want_f2 = f2 & 0;
    *want_f3 = f3 & 0;
    if ((actions & NEEDED) != NEEDED)
        return refuse_mta();
    am_session *s = session_of(ctx);
    if (!s)
        return refuse_politely(ctx, actions, steps, want_actions, want_steps);
    am_terms t = agree(am_session_needs(s), actions, steps);
    am_session_agree(s, &t);
    if (actions & SMFIF_SETSYMLIST)
        ask_for_macros(ctx, am_session_needs(s));
    *want_actions = actions & (NEEDED | WELCOME);
    *want_steps = t.steps;
    return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *address)
{
    am_session *s = session_of(ctx);
    (void)host; /* the MTA's own look-up: iprev makes its own */
    if (!s)
        return turn_away(ctx);
    am_session_client(s, address);
    if (am_session_needs(s)->listener)
        am_session_listener(
            s, smfi_getsymval(ctx, listener_name), smfi_getsymval(ctx, listener_port));
    bool admitted = am_worker_admit(s);
    /* One too many after all, as others were quicker from the negotiation to here: no answer was
     * agreed on, so it is told at the end of a message. */
    *am_session_turned_away(s) = !admitted;
    if (!admitted && !(am_session_terms(s)->steps & SMFIP_NR_CONN))
        return SMFIS_TEMPFAIL;
    return go_on(s, SMFIP_NR_CONN);
}

static sfsistat on_helo(SMFICTX *ctx, char *name)
{
    am_session *s = session_of(ctx);
    if (!s)
        return turn_away(ctx);
    am_session_helo(s, name);
    return go_on(s, SMFIP_NR_HELO);
}

static sfsistat refuse(SMFICTX *ctx, const am_decision *d)
{
    char text[2 * sizeof d->text];
    size_t n = 0;
    for (const char *p = d->text; *p; p++) {
        if (*p == '%') /* libmilter hands the text to printf's kin */
            text[n++] = '%';
        text[n++] = *p;
    }
    text[n] = '\0';
    char code[4], xcode[12];
    snprintf(code, sizeof code, "%s", d->code);
    snprintf(xcode, sizeof xcode, "%s", d->xcode);
    (void)smfi_setreply(ctx, code, xcode, text);
    return d->action == AM_ACTION_REJECT ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

static am_str macro(SMFICTX *ctx, const char *name)
{
    return am_str_of(smfi_getsymval(ctx, (char *)(uintptr_t)name));
}

static am_mail mail_of(SMFICTX *ctx, char **argument)
{
    return (am_mail){.argument = argument,
        .login = {macro(ctx, "{auth_authen}"), macro(ctx, "{auth_type}"),
            macro(ctx, "{auth_author}")},
        .tls = {.version = macro(ctx, "{tls_version}"),
            .cipher = macro(ctx, "{cipher}"),
            .bits = macro(ctx, "{cipher_bits}"),
            .subject = macro(ctx, "{cert_subject}"),
            .issuer = macro(ctx, "{cert_issuer}"),
            .verify = macro(ctx, "{verify}")}};
}

static sfsistat on_sender(SMFICTX *ctx, char **argument)
{
    am_session *s = session_of(ctx);
    if (!s)
        return turn_away(ctx);
    am_mail mail = mail_of(ctx, argument);
    am_decision refusal;
    if (!am_session_sender(s, &mail, &refusal))
        return go_on(s, SMFIP_NR_MAIL);
    sfsistat answer = refuse(ctx, &refusal);
    am_session_reset(s); /* another MAIL may follow */
    return answer;
}

static sfsistat on_rcpt(SMFICTX *ctx, char **argument)
{
    am_session *s = session_of(ctx);
    if (!s)
        return turn_away(ctx);
    am_decision refusal;
    return am_session_rcpt(s, argument[0], &refusal) ? refuse(ctx, &refusal) : SMFIS_CONTINUE;
}

static sfsistat on_field(SMFICTX *ctx, char *name, char *value)
{
    am_session *s = session_of(ctx);
    if (!s)
        return turn_away(ctx);
    am_session_field(s, name, value);
    return go_on(s, SMFIP_NR_HDR);
}

static sfsistat on_eoh(SMFICTX *ctx)
{
    am_session *s = session_of(ctx);
    if (!s)
        return turn_away(ctx);
    am_session_eoh(s);
    return go_on(s, SMFIP_NR_EOH);
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *p, size_t n)
{
    am_session *s = session_of(ctx);
    if (!s)
        return turn_away(ctx);
    bool more = am_session_body(s, p, n);
    if (!more && am_session_terms(s)->steps & SMFIP_SKIP)
        return SMFIS_SKIP;
    return go_on(s, SMFIP_NR_BODY);
}

static bool insert(SMFICTX *ctx, const char *name, const char *value)
{
    return !value ||
           smfi_insheader(ctx, 0, (char *)(uintptr_t)name, (char *)(uintptr_t)value) == MI_SUCCESS;
}

/* Forged fields out, ours in, aside where policy says so. False: the MTA did not take it. */
static bool change(SMFICTX *ctx, am_outcome *o)
{
    char reason[sizeof o->decision.text];
    snprintf(reason, sizeof reason, "%s", o->decision.text);
    for (size_t i = 0; i < o->strips; i++)
        while (am_strip_next(&o->strip[i]))
            if (smfi_chgheader(ctx, (char *)(uintptr_t)o->strip[i].name, (int)o->strip[i].number,
                    NULL) != MI_SUCCESS)
                return false;
    if (!insert(ctx, o->mark_name, o->mark) || !insert(ctx, results_name, o->field))
        return false;
    return o->decision.measure != AM_MEASURE_HOLD || smfi_quarantine(ctx, reason) == MI_SUCCESS;
}

/* What the MTA is told at the end of a message. */
static sfsistat tell(SMFICTX *ctx, am_outcome *o, const char *id)
{
    if (o->decision.code)
        return refuse(ctx, &o->decision);
    if (o->decision.action == AM_ACTION_DISCARD)
        return SMFIS_DISCARD;
    if (change(ctx, o))
        return SMFIS_ACCEPT;
    am_log(LOG_ERR, "%s: the MTA did not take the changes", id ? id : "NOQUEUE");
    return SMFIS_TEMPFAIL; /* a forged field may be left */
}

/* The MTA starts its time-out anew. */
static void keep_waiting(void *ctx)
{
    (void)smfi_progress(ctx);
}

static sfsistat judge(SMFICTX *ctx, am_session *s, const char *id)
{
    am_outcome o = am_session_finish(s, id);
    return tell(ctx, &o, id);
}

static sfsistat on_eom(SMFICTX *ctx)
{
    static char queue_id[] = "i";
    am_session *s = session_of(ctx);
    if (!s)
        return turn_away(ctx);
    const char *id = smfi_getsymval(ctx, queue_id);
    am_session_progress(s, keep_waiting, ctx);
    sfsistat answer = *am_session_turned_away(s) ? turn_away(ctx) : judge(ctx, s, id);
    am_session_reset(s);
    return answer;
}

static sfsistat on_abort(SMFICTX *ctx)
{
    am_session *s = known_session(ctx);
    if (s)
        am_session_reset(s);
    return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *ctx)
{
    am_session *s = known_session(ctx);
    (void)smfi_setpriv(ctx, NULL);
    if (s)
        am_worker_leave(s);
    return SMFIS_CONTINUE;
}

struct smfiDesc am_callbacks(void)
{
    static char name[] = "authmilld";
    return (struct smfiDesc){
        .xxfi_name = name,
        .xxfi_version = SMFI_VERSION,
        .xxfi_flags = NEEDED | WELCOME,
        .xxfi_connect = on_connect,
        .xxfi_helo = on_helo,
        .xxfi_envfrom = on_sender,
        .xxfi_envrcpt = on_rcpt,
        .xxfi_header = on_field,
        .xxfi_eoh = on_eoh,
        .xxfi_body = on_body,
        .xxfi_eom = on_eom,
        .xxfi_abort = on_abort,
        .xxfi_close = on_close,
        .xxfi_negotiate = on_negotiate,
    };
}
