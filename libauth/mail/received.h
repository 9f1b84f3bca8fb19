/* One Received field as plain data: RFC 5321 4.4, RFC 5322 3.6.7, and what MTAs write.
 *
 * Whoever writes a field tells the truth or not: everything in a field below the
 * first host that is not trusted is a claim. And in the field of a host that is
 * trusted, the client has chosen part of the text. So each member says who wrote it:
 *   MTA     the host that wrote the field found it out by itself
 *   DNS     the host asked the DNS; whoever holds the client's reverse zone answered
 *   client  the client chose the text, the host only put it down */
#ifndef AM_MAIL_RECEIVED_H
#define AM_MAIL_RECEIVED_H

#include "libauth/base/ip.h"

typedef enum am_received_status {
    AM_RECEIVED_GARBAGE, /* no trace field; all members are empty */
    AM_RECEIVED_UNSURE,  /* who sent it cannot be told from what the client may have
                            chosen: nothing is said of the client */
    AM_RECEIVED_READ,    /* read as its writer meant it; `ip` where it was recorded */
} am_received_status;

typedef enum am_received_style {
    AM_STYLE_OTHER,
    AM_STYLE_POSTFIX,
    AM_STYLE_SENDMAIL,
    AM_STYLE_EXIM,
    AM_STYLE_EXCHANGE,
    AM_STYLE_GMAIL,
    AM_STYLE_QMAIL,
} am_received_style;

/* How the message came, from the with clause. */
typedef enum am_received_via {
    AM_VIA_UNKNOWN, /* no with clause, or a word that is not known */
    AM_VIA_SMTP,    /* SMTP and its kin: RFC 3848, RFC 6531, Microsoft SMTP Server */
    AM_VIA_LMTP,
    AM_VIA_HTTP,  /* webmail, an API */
    AM_VIA_FETCH, /* POP3 or IMAP: `ip` is the server that it was fetched from */
    AM_VIA_LOCAL, /* a program on the same host; a mailbox (MAPI) */
} am_received_via;

typedef struct am_received {
    am_received_status status;
    const char *reason; /* GARBAGE, UNSURE: a constant; READ: NULL */
    am_received_style style;
    am_received_via via;
    /* Of the client; empty unless READ. */
    am_ip ip;    /* MTA: address of the connection; family 0: none recorded */
    am_str helo; /* client: HELO, EHLO or LHLO name; absent: not recorded */
    am_str name; /* DNS: name of the address; absent: none, unknown, or not recorded */
    am_str user; /* MTA: who had logged in; absent: not recorded */
    bool forged; /* MTA: the name does not lead back to the address ("may be forged") */
    bool tls;    /* MTA: by the with keyword, the tls clause, or a recorded comment */
    bool auth;   /* MTA: the client had logged in; by the same */
    /* Of the host that wrote the field; absent where not there. */
    am_str by;         /* MTA: its name or address */
    am_str with;       /* MTA: the first words of the with clause, such as "ESMTPS" */
    am_str id;         /* MTA */
    am_str rcpt;       /* client: the first recipient of the for clause, without <> */
    bool from_network; /* MTA: qmail's "invoked from network": the field below tells the client */
    bool has_time;
    bool zone_known; /* false: the time may be off by the hours of a zone */
    int64_t time;    /* MTA: seconds since the epoch */
} am_received;

/* Reads the value of one Received field (folds as CRLF or LF). Total: whatever
 * the octets are, *out is set. Ranges point into `value`; nothing is allocated.
 * True: status is READ.
 *
 * `ip` is there only where all of this holds: the text is clean and closed (no
 * control octet, no unclosed comment or quotes, at most 16384 octets); it begins
 * with one from clause, behind which stands one by clause, and no clause comes
 * twice; it ends in one date (so it was not cut off); the address stands where a
 * known form of MTAs has it; and no other address in brackets stands anywhere but
 * in the place of the HELO name or of the writer's own address. */
bool am_received_parse(am_str value, am_received *out);

/* "postfix", "other", ...; constants. */
const char *am_received_style_word(am_received_style style);

#endif
