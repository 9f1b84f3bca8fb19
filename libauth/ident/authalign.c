/*
 * authalign: the addresses that a message bears, held against those that its login
 * owns.
 *
 * RFC 6409 6.1 (a submission server may enforce the submission's rights); RFC 5322
 * 3.6.2 for From and Sender. Waits: never. Memory: the caller's arena. Callers: the
 * pipeline of a message.
 */
#include "libauth/ident/authalign.h"

enum { MAX_ADDRESSES = 100 }; /* of a message: each is held against all expressions of the map */

/* By the bits of `foreign`. */
static const char *const reasons[] = {
    "",
    "the login does not own MAIL FROM",
    "the login does not own From",
    "the login does not own MAIL FROM and From",
    "the login does not own Sender",
    "the login does not own MAIL FROM and Sender",
    "the login does not own From and Sender",
    "the login does not own MAIL FROM, From and Sender",
};

typedef struct judge {
    am_arena *arena;
    const am_loginmap *map;
    const am_authalign_query *q;
    am_authalign_verdict *v;
    size_t addresses;
    bool too_many;
} judge;

static am_str text_of(am_arena *a, const am_mailbox *m)
{
    if (!m->domain.n)
        return am_str_copy(a, m->local);
    return am_str_join3(a, m->local, AM_STR("@"), m->domain);
}

static void foreign(judge *j, unsigned identity, am_str address)
{
    if (!j->v->foreign)
        j->v->address = address;
    j->v->foreign |= identity;
}

static void one_address(judge *j, unsigned identity, const am_mailbox *m)
{
    j->too_many = j->too_many || j->addresses++ == MAX_ADDRESSES;
    if (j->too_many || j->v->foreign & identity)
        return;
    if (!am_loginmap_owns(j->map, j->arena, j->q->user, m))
        foreign(j, identity, text_of(j->arena, m));
}

static void fields(judge *j, unsigned identity, const char *name)
{
    const am_header *h = j->q->header;
    for (size_t i = 0; i < h->n; i++) {
        am_mailbox *list;
        size_t n;
        const char *why;
        if (!am_str_iis(h->field[i].name, name) || !am_str_trim(h->field[i].value).n)
            continue;
        j->v->there |= identity;
        if (j->too_many)
            return;
        if (!am_mailbox_list_parse(j->arena, h->field[i].value, &list, &n, &why))
            foreign(j, identity, AM_STR(""));
        for (size_t k = 0; k < n && !j->too_many; k++)
            one_address(j, identity, &list[k]);
    }
}

static void identities(judge *j)
{
    const am_mailbox *sender = j->q->sender;
    if (sender && (sender->local.p || sender->domain.p)) {
        j->v->there |= AM_AUTHALIGN_MAIL_FROM;
        one_address(j, AM_AUTHALIGN_MAIL_FROM, sender);
    }
    if (j->q->header) {
        fields(j, AM_AUTHALIGN_FROM, "From");
        fields(j, AM_AUTHALIGN_SENDER, "Sender");
    }
}

am_authalign_verdict am_authalign_check(
    am_arena *a, const am_loginmap *map, const am_authalign_query *q)
{
    am_authalign_verdict v = {.result = AM_NONE, .reason = "", .address = AM_STR("")};
    judge j = {.arena = a, .map = map, .q = q, .v = &v};
    if (!am_str_trim(q->user).n) {
        v.reason = "not authenticated";
        return v;
    }
    identities(&j);
    if (am_arena_failed(a))
        return (am_authalign_verdict){.reason = "out of memory", .address = AM_STR("")};
    v.result = v.foreign || j.too_many ? AM_FAIL : v.there ? AM_PASS : AM_NONE;
    v.reason = v.there ? reasons[v.foreign] : "no address to own";
    if (j.too_many && !v.foreign)
        v.reason = "too many addresses";
    if (q->header && q->header->failed) { /* another From may stand in what was not kept */
        v.result = AM_FAIL;
        if (!v.foreign)
            v.reason = "header not kept whole";
    }
    return v;
}
