/*
 * received: one Received field as plain data.
 *
 * For: hop and trail (RFC 5321 4.4, RFC 5322 3.6.7; protocols RFC 3848 and RFC
 * 6531; the tls clause RFC 8314 7.4). The text is cut into words and comments,
 * these into clauses; only then is anything understood. A client chooses its HELO
 * name, its reverse zone and its addresses, so whatever could be read in two ways
 * says nothing of the client. Waits: never. Memory: ranges into the field, or
 * constants. Callers: anyone.
 */
#include "libauth/mail/received.h"
#include "libauth/base/domain.h"
#include "libauth/base/lex.h"
#include "libauth/mail/date.h"
#include "libauth/mail/received_in.h"
#include "libauth/mail/scan.h"

enum { MAX_OCTETS = 16384 };

static const char *const keywords[CLAUSES] = {
    [FROM] = "from",
    [BY] = "by",
    [VIA] = "via",
    [WITH] = "with",
    [ID] = "id",
    [FOR] = "for",
    [TLS] = "tls", /* RFC 8314 7.4 */
};

static const struct {
    const char *word;
    am_received_via via;
    bool tls, auth;
} protocols[] = {
    {"SMTP", AM_VIA_SMTP, false, false},
    {"ESMTP", AM_VIA_SMTP, false, false},
    {"ESMTPA", AM_VIA_SMTP, false, true}, /* RFC 3848 */
    {"ESMTPS", AM_VIA_SMTP, true, false},
    {"ESMTPSA", AM_VIA_SMTP, true, true},
    {"UTF8SMTP", AM_VIA_SMTP, false, false}, /* RFC 6531 4.3 */
    {"UTF8SMTPA", AM_VIA_SMTP, false, true},
    {"UTF8SMTPS", AM_VIA_SMTP, true, false},
    {"UTF8SMTPSA", AM_VIA_SMTP, true, true},
    {"LMTP", AM_VIA_LMTP, false, false},
    {"LMTPA", AM_VIA_LMTP, false, true},
    {"LMTPS", AM_VIA_LMTP, true, false},
    {"LMTPSA", AM_VIA_LMTP, true, true},
    {"UTF8LMTP", AM_VIA_LMTP, false, false},
    {"UTF8LMTPA", AM_VIA_LMTP, false, true},
    {"UTF8LMTPS", AM_VIA_LMTP, true, false},
    {"UTF8LMTPSA", AM_VIA_LMTP, true, true},
    {"SMTPS", AM_VIA_SMTP, true, false}, /* from here on: vendors' words */
    {"ASMTP", AM_VIA_SMTP, false, true},
    {"ESMTP-TLS", AM_VIA_SMTP, true, false},
    {"HTTP", AM_VIA_HTTP, false, false},
    {"HTTPS", AM_VIA_HTTP, true, false},
    {"HTTPREST", AM_VIA_HTTP, false, false},
    {"HTTPU", AM_VIA_HTTP, false, false},
    {"POP3", AM_VIA_FETCH, false, false},
    {"POP3S", AM_VIA_FETCH, true, false},
    {"IMAP", AM_VIA_FETCH, false, false},
    {"IMAPS", AM_VIA_FETCH, true, false},
    {"IMAP4", AM_VIA_FETCH, false, false},
    {"LOCAL", AM_VIA_LOCAL, false, false},
    {"LOCAL-SMTP", AM_VIA_LOCAL, false, false},
    {"LOCAL-ESMTP", AM_VIA_LOCAL, false, false},
    {"MAPI", AM_VIA_LOCAL, false, false},
};

/* Comments in which MTAs record encryption and log-in, and whether the user's name
 * follows: as the next word, or as the one word that is left. */
enum { NO_USER, NEXT_WORD, ONLY_WORD };
static const struct {
    const char *start;
    bool tls, auth;
    unsigned char user;
} remarks[] = {
    {"using TLS", true, false, NO_USER},   /* Postfix, Dovecot */
    {"using SSL", true, false, NO_USER},   /* Postfix of old */
    {"version=TLS", true, false, NO_USER}, /* Gmail, Exchange, Proofpoint */
    {"TLS", true, false, NO_USER},         /* Exim, Exchange, OpenSMTPD */
    {"cipher=", true, false, NO_USER},     /* Haraka */
    {"Google Transport Security", true, false, NO_USER},
    {"Authenticated sender: ", false, true, ONLY_WORD}, /* Postfix */
    {"authenticated as ", false, true, ONLY_WORD},      /* Exim, Sendmail: customary settings */
    {"authenticated user ", false, true, ONLY_WORD},
    {"authenticated", false, true, NO_USER}, /* Sendmail, Haraka */
    {"user=", false, true, NEXT_WORD},       /* Sendmail: user=x mech=y bits=z */
};

static const struct {
    int clause;
    const char *start; /* of a comment */
    am_received_style style;
} marks[] = {
    {BY, "Postfix", AM_STYLE_POSTFIX},
    {BY, "Exim ", AM_STYLE_EXIM},
    {WITH, "Exim ", AM_STYLE_EXIM},
    {TLS, "Exim ", AM_STYLE_EXIM},
    {BY, "Sendmail", AM_STYLE_SENDMAIL},
    {BY, "qmail", AM_STYLE_QMAIL},
};

static const char *const style_words[] = {
    [AM_STYLE_OTHER] = "other",
    [AM_STYLE_POSTFIX] = "postfix",
    [AM_STYLE_SENDMAIL] = "sendmail",
    [AM_STYLE_EXIM] = "exim",
    [AM_STYLE_EXCHANGE] = "exchange",
    [AM_STYLE_GMAIL] = "gmail",
    [AM_STYLE_QMAIL] = "qmail",
};

const char *am_received_style_word(am_received_style style)
{
    return style_words[style];
}

/* Visible octets, white space, folds; octets above 0x7F are another's question. */
static bool octets_ok(am_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\r' && i + 1 < s.n && s.p[i + 1] == '\n')
            continue;
        if (c == '\n' && i + 1 < s.n && am_is(s.p[i + 1], AM_WSP))
            continue;
        if (!am_is(c, AM_VCHAR | AM_WSP | AM_HIGH))
            return false;
    }
    return true;
}

/* A word goes on to white space, "(" or ";"; what is in quotes belongs to it. */
static bool take_word(am_str *s, am_str *word)
{
    size_t i = 0;
    while (i < s->n && !am_is(s->p[i], AM_FWS) && s->p[i] != '(' && s->p[i] != ';') {
        if (s->p[i] == ')' || s->p[i] == '\\')
            return false;
        if (s->p[i++] != '"')
            continue;
        am_str rest = am_str_cut(*s, i - 1, s->n), inside;
        if (!am_scan_quoted(&rest, &inside))
            return false;
        i = s->n - rest.n;
    }
    *word = am_str_cut(*s, 0, i);
    *s = am_str_cut(*s, i, s->n);
    return true;
}

/* Words and comments up to the semicolon, the rest is the date. False: something
 * is not closed, or closes what was not open. */
static bool split(am_str s, fields *f, const char **unsure)
{
    while (s.n) {
        size_t before = s.n;
        s = am_str_trim(s);
        if (s.n == 0)
            break;
        if (*s.p == ';') {
            f->date = am_str_cut(s, 1, s.n);
            break;
        }
        item it = {.kind = *s.p == '(' ? COMMENT : WORD, .glued = f->n && s.n == before};
        if (it.kind == COMMENT ? !am_scan_comment(&s, &it.text) : !take_word(&s, &it.text))
            return false;
        if (f->n == MAX_ITEMS) {
            *unsure = "too many words";
            return true;
        }
        f->item[f->n++] = it;
    }
    return true;
}

/* The clause whose keyword this item is, or CLAUSES. */
static int keyword(const item *it)
{
    int k = 0;
    if (it->kind != WORD || !it->text.n)
        return CLAUSES;
    char first = am_lower(*it->text.p);
    while (k < CLAUSES && (first != *keywords[k] || !am_str_iis(it->text, keywords[k])))
        k++;
    return k;
}

/* RFC 5321 4.4: From-domain By-domain Opt-info, each once and with a value. The first
 * word behind "from" is the client's, even where it looks like a keyword. NULL, or
 * what is wrong. */
static const char *sort(fields *f)
{
    const char *wrong = NULL;
    clause *open = NULL, *from = &f->clause[FROM];
    bool has_value = true;
    for (size_t i = 0; i < f->n; i++) {
        int k = open == from && !has_value ? CLAUSES : keyword(&f->item[i]);
        if (k < CLAUSES) {
            if (f->clause[k].item)
                return "a clause stands there twice";
            if ((k == FROM && i) || (k == BY && open && open != from))
                wrong = wrong ? wrong : "a clause out of place";
            if (!has_value)
                wrong = wrong ? wrong : "a clause without a value";
            open = &f->clause[k];
            open->item = &f->item[i + 1];
            has_value = false;
        } else if (open) {
            open->n++;
            has_value = has_value || f->item[i].kind == WORD;
        } else if (f->item[i].kind == WORD) {
            wrong = "words before the first clause";
        }
    }
    return wrong ? wrong : has_value ? NULL : "a clause without a value";
}

/* The first word of a clause; absent: none. */
static am_str value(const fields *f, int k)
{
    for (size_t i = 0; i < f->clause[k].n; i++)
        if (f->clause[k].item[i].kind == WORD)
            return f->clause[k].item[i].text;
    return (am_str){NULL, 0};
}

static void set_protocol(am_received *out, am_str word)
{
    /* Cisco ESA: "ESMTP/TLS/cipher" */
    am_str name = am_str_cut(word, 0, am_str_find(word, '/'));
    out->tls |= am_str_istarts(am_str_cut(word, name.n, word.n), "/TLS");
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        if (!am_str_iis(name, protocols[i].word))
            continue;
        out->with = name;
        out->via = protocols[i].via;
        out->tls |= protocols[i].tls;
        out->auth |= protocols[i].auth;
    }
}

/* "with ESMTPS", "with (cipher encrypted) SMTP", "with cipher encrypted SMTP",
 * "with Microsoft SMTP Server" */
static void read_with(const clause *c, am_received *out)
{
    for (size_t i = 0; i < c->n && out->via == AM_VIA_UNKNOWN; i++) {
        am_str text = c->item[i].text;
        out->tls |= am_str_iends(text, AM_STR("encrypted")) && text.n > 9;
        out->tls |= i > 0 && am_str_iis(text, "encrypted");
        if (c->item[i].kind == WORD)
            set_protocol(out, text);
    }
    if (c->n > 1 && am_str_iis(c->item[0].text, "Microsoft") &&
        am_str_istarts(c->item[1].text, "SMTP")) {
        out->with = AM_STR("Microsoft SMTP Server");
        out->via = AM_VIA_SMTP;
        out->style = AM_STYLE_EXCHANGE;
    }
    if (am_str_iis(out->with, "MAPI"))
        out->style = AM_STYLE_EXCHANGE;
}

/* Sendmail's own version and its configuration's: "8.17.1/8.17.1" */
static bool sendmail_version(am_str s)
{
    return s.n > 2 && s.p[0] == '8' && s.p[1] == '.' && am_str_find(s, '/') < s.n;
}

/* qmail-smtpd: from NAME (HELO X) (USER@IP) by HOST with PROTOCOL; date in -0000 */
static bool qmail_smtpd(const fields *f, const am_date *date)
{
    am_str user;
    am_ip ip;
    clause from = f->clause[FROM];
    return from.n > 1 && f->clause[BY].n == 1 && f->clause[WITH].n && date->zone_local &&
           !f->clause[ID].item && !f->clause[FOR].item && !f->clause[VIA].item &&
           from.item[from.n - 1].kind == COMMENT &&
           am_received_bare(from.item[from.n - 1].text, &user, &ip);
}

static void read_style(const fields *f, const am_date *date, am_received *out)
{
    for (int k = 0; k < CLAUSES; k++) {
        for (size_t i = 0; i < f->clause[k].n; i++) {
            const item *it = &f->clause[k].item[i];
            if (it->kind != COMMENT)
                continue;
            for (size_t m = 0; m < sizeof marks / sizeof *marks; m++)
                if (marks[m].clause == k && am_str_istarts(it->text, marks[m].start))
                    out->style = marks[m].style;
            if (k == BY && sendmail_version(it->text))
                out->style = AM_STYLE_SENDMAIL;
        }
    }
    if (out->style != AM_STYLE_OTHER)
        return;
    if (am_domain_under(out->by, AM_STR("google.com")) ||
        am_domain_under(out->by, AM_STR("gmail.com")))
        out->style = AM_STYLE_GMAIL;
    else if (qmail_smtpd(f, date))
        out->style = AM_STYLE_QMAIL;
}

static void read_rcpt(const fields *f, am_received *out)
{
    am_str s = value(f, FOR);
    if (s.n && s.p[s.n - 1] == ',')
        s.n--;
    if (s.n > 1 && s.p[0] == '<' && s.p[s.n - 1] == '>')
        s = am_str_cut(s, 1, s.n - 1);
    out->rcpt = s;
}

/* "AUTH: MECHANISM user, TLS: ..." */
static void read_courier(am_str text, am_received *out)
{
    am_str rest = text;
    out->auth = true;
    am_received_word(&rest);
    am_received_word(&rest);
    am_str user = am_received_word(&rest);
    if (user.n && user.p[user.n - 1] == ',')
        user.n--;
    out->user = user;
    out->tls |= am_str_istarts(am_received_word(&rest), "TLS:");
}

static void read_remark(am_str text, am_received *out)
{
    if (am_str_istarts(text, "AUTH: ")) {
        read_courier(text, out);
        return;
    }
    for (size_t i = 0; i < sizeof remarks / sizeof *remarks; i++) {
        if (!am_str_istarts(text, remarks[i].start))
            continue;
        am_str rest = am_str_cut(text, am_str_of(remarks[i].start).n, text.n);
        am_str user = am_received_word(&rest);
        out->tls |= remarks[i].tls;
        out->auth |= remarks[i].auth;
        /* half a name would be another's */
        if (remarks[i].user == NEXT_WORD || (remarks[i].user && am_str_trim(rest).n == 0))
            out->user = user;
        return;
    }
}

/* Comments of the connection. Those of a from clause without an address may be the client's. */
static void read_remarks(const fields *f, am_received *out)
{
    static const int where[] = {FROM, BY, WITH, TLS, ID, FOR};
    for (size_t w = out->ip.family ? 0 : 1; w < sizeof where / sizeof *where; w++) {
        clause c = f->clause[where[w]];
        for (size_t i = 0; i < c.n; i++) {
            am_str text = c.item[i].text;
            if (c.item[i].kind == COMMENT && !c.item[i].known)
                read_remark(text, out);
            else if (where[w] == ID && i && am_str_iis(c.item[i - 1].text, "auth=yes") &&
                     am_str_istarts(text, "user=")) { /* OpenSMTPD */
                out->auth = true;
                out->user = am_str_cut(text, 5, text.n);
            }
        }
    }
    out->tls |= f->clause[TLS].n > 0;
    if (!out->auth)
        out->user = (am_str){NULL, 0}; /* qmail: an ident server's word is no log-in */
}

/* RFC 5321 4.4 By-domain: a name, and the writer's own address in a comment. NULL, or
 * what is wrong. */
static const char *read_by(const clause *by)
{
    am_received self;
    am_str user;
    am_ip ip;
    if (by->n == 0 || by->item[0].kind != WORD || !am_received_plain(by->item[0].text))
        return "no plain name in the by clause";
    for (size_t i = 1; i < by->n; i++)
        if (by->item[i].kind == WORD)
            return "several words in the by clause";
    by->item[0].known = true;
    if (by->n > 1)
        by->item[1].known = am_received_tcp_info(by->item[1].text, &self) ||
                            am_received_bare(by->item[1].text, &user, &ip);
    return NULL;
}

/* An address that no form accounts for may be the true one, and the other a lie. */
static const char *leftovers(const fields *f)
{
    bool found = am_received_has_address(f->date);
    for (size_t i = 0; i < f->n; i++) {
        am_str user, text = f->item[i].text;
        am_ip ip;
        if (f->item[i].known)
            continue;
        found = found || am_received_has_address(text) ||
                (f->item[i].kind == COMMENT && am_received_bare(text, &user, &ip));
    }
    return found ? "several addresses" : NULL;
}

/* qmail-queue: "(qmail 1234 invoked from network)" and nothing else */
static bool qmail_queue(const fields *f, am_received *out)
{
    am_str rest = f->n == 1 && f->item[0].kind == COMMENT ? f->item[0].text : (am_str){NULL, 0};
    uint64_t pid;
    if (!am_str_iis(am_received_word(&rest), "qmail") ||
        !am_str_number(am_received_word(&rest), 19, &pid) ||
        !am_str_iis(am_received_word(&rest), "invoked"))
        return false;
    out->style = AM_STYLE_QMAIL;
    out->from_network = am_str_iis(am_str_trim(rest), "from network");
    out->via = out->from_network ? AM_VIA_UNKNOWN : AM_VIA_LOCAL;
    return true;
}

/* What the writer says of itself and of the time. */
static void read_writer(fields *f, am_received *out)
{
    am_date date;
    out->has_time = f->date.p && am_date_parse(f->date, &date);
    if (out->has_time) {
        out->time = date.time;
        out->zone_known = date.zone_known;
    } else {
        date = (am_date){0};
    }
    out->by = value(f, BY);
    out->id = value(f, ID);
    out->with = value(f, WITH);
    read_rcpt(f, out);
    read_with(&f->clause[WITH], out);
    read_style(f, &date, out);
}

/* NULL, or why nothing can be said of the client. */
static const char *read_client(fields *f, am_received *out)
{
    const char *wrong = NULL;
    if (f->clause[BY].item || f->clause[FROM].item)
        wrong = read_by(&f->clause[BY]);
    if (!wrong && f->clause[FROM].item)
        wrong = am_received_from(f, out);
    if (!wrong)
        wrong = leftovers(f);
    if (!wrong)
        read_remarks(f, out);
    return wrong;
}

static bool garbage(am_received *out, const char *reason)
{
    *out = (am_received){.status = AM_RECEIVED_GARBAGE, .reason = reason};
    return false;
}

static bool unsure(am_received *out, const char *reason)
{
    *out = (am_received){.status = AM_RECEIVED_UNSURE,
        .reason = reason,
        .style = out->style,
        .via = out->via,
        .by = out->by,
        .with = out->with,
        .id = out->id,
        .rcpt = out->rcpt,
        .has_time = out->has_time,
        .zone_known = out->zone_known,
        .time = out->time};
    return false;
}

bool am_received_parse(am_str text, am_received *out)
{
    fields f = {.n = 0};
    const char *wrong = NULL;
    size_t clauses = 0;
    *out = (am_received){.status = AM_RECEIVED_READ};
    text = am_str_trim(text);
    if (text.n > MAX_OCTETS)
        return garbage(out, "over 16384 octets");
    if (!octets_ok(text))
        return garbage(out, "a control octet or a bare line end");
    if (!split(text, &f, &wrong))
        return garbage(out, "a comment or a quoted string without its end");
    const char *unsorted = sort(&f);
    for (int k = 0; k < CLAUSES; k++)
        clauses += f.clause[k].item != NULL;
    if (clauses == 0 && !qmail_queue(&f, out))
        return garbage(out, "no clause of a trace field");
    read_writer(&f, out);
    if (!wrong)
        wrong = unsorted;
    if (!wrong && !am_scan_clean(text, true))
        wrong = "octets that are not UTF-8";
    if (!wrong)
        wrong = read_client(&f, out);
    if (!wrong && !out->has_time) /* RFC 5321 4.4: it ends in the date, or it was cut off */
        wrong = "no date";
    return wrong ? unsure(out, wrong) : true;
}
