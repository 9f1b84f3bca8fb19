/* Everything that was found out about one message: plain data, no opinion. */
#ifndef AM_EVIDENCE_H
#define AM_EVIDENCE_H

#include "libauth/arc/arc.h"
#include "libauth/dkim/dkim.h"
#include "libauth/dmarc/dmarc.h"
#include "libauth/ident/authalign.h"
#include "libauth/ident/helo.h"
#include "libauth/ident/hop.h"
#include "libauth/ident/iprev.h"
#include "libauth/ident/pra.h"
#include "libauth/ident/smtpauth.h"
#include "libauth/ident/tls.h"
#include "libauth/ident/trail.h"
#include "libauth/spf/spf.h"
#include "libauth/trust.h"

typedef struct am_evidence {
    int64_t now; /* the moment that it was judged for: seconds since the epoch */
    am_ip ip;    /* who is judged; family 0: no address known; SPF and iprev did not run */
    am_str helo;
    am_hop
        hop; /* relayed: the MTA's client is a trusted relay, `relay`, and ip is the hop before */
    am_ip relay;
    am_str mail_from;  /* as the client gave it; absent: it gave none */
    am_mailbox sender; /* MAIL FROM; null path: domain and local absent */
    bool utf8;         /* an octet above 0x7F in the header or MAIL FROM: so may results be */
    am_str auth_user;  /* absent: not authenticated; a relay's own login does not count */

    bool has_iprev, has_spf, has_helo, has_arc, has_dmarc; /* the method ran */
    bool has_helo_check, has_auth, has_align, has_tls, has_sender_id, has_trail;
    bool has_trust; /* DMARC failed, and there are trusted sealers who may override that */
    am_iprev_verdict iprev;
    am_spf_verdict spf; /* of MAIL FROM, or of postmaster@HELO where that is null */
    bool spf_from_helo; /* MAIL FROM was null */
    am_spf_verdict helo_spf;
    const am_dkim_verdict *dkim;
    size_t dkims, dkims_skipped;
    am_arc_verdict arc;
    am_author author;
    am_dmarc_verdict dmarc;
    am_trust trust;
    am_helo_verdict helo_check;
    am_smtpauth_verdict auth;
    am_authalign_verdict align;
    am_tls_verdict tls;
    am_pra pra; /* whenever there was a header */
    am_submitter submitter;
    am_spf_verdict sender_id; /* of the PRA */
    am_trail trail;

    const char *limit;     /* NULL, or the bound of ours that the header met: DKIM did not run */
    const char *fault;     /* NULL, or what went wrong on our side: "out of memory", ... */
    const am_trace *trace; /* NULL unless asked for */
} am_evidence;

#endif
