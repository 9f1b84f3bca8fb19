/*
 * coverage: header fields that a signature leaves open to others.
 *
 * For: a pass over a message to which fields were added after it was signed (RFC 6376 5.4.1, 8.15):
 * the signature covers the lowest ones, and many readers show the highest. Waits: never. Memory:
 * the caller's arena. Callers: dkim.
 */
#include "libauth/dkim/coverage.h"
#include "libauth/base/taglist.h"

/* Of RFC 6376 5.4.1 and RFC 5322 3.6 those that may stand once; MIME's, which decide how the body
 * is shown; the list fields (RFC 2369 3.4, 2919 3, 8058 3.1). What hosts on the way add or repeat
 * by right (Received, Resent-*, Comments, DKIM-Signature) says nothing. */
static const char *const fields[] = {"from", "sender", "reply-to", "to", "cc", "subject", "date",
    "message-id", "in-reply-to", "references", "mime-version", "content-type",
    "content-transfer-encoding", "content-disposition", "list-id", "list-help", "list-unsubscribe",
    "list-unsubscribe-post", "list-subscribe", "list-post", "list-owner", "list-archive"};

enum { FIELDS = sizeof fields / sizeof *fields };

/* How often h= mentions each of the fields that stand more than once. Read once: it may be long. */
static void count_mentions(am_str names, const size_t there[FIELDS], size_t mentions[FIELDS])
{
    am_str name;
    while (am_list_next(&names, ':', &name))
        for (size_t i = 0; i < FIELDS; i++)
            mentions[i] += there[i] > 1 && am_str_iis(name, fields[i]);
}

am_str am_dkim_uncovered(am_arena *a, const am_header *h, am_str names)
{
    am_buf out = {.arena = a};
    size_t there[FIELDS], mentions[FIELDS] = {0};
    bool several = false;
    for (size_t i = 0; i < FIELDS; i++) {
        there[i] = am_header_count(h, fields[i]);
        several = several || there[i] > 1; /* one alone is the sender's affair */
    }
    if (!several)
        return AM_STR("");
    count_mentions(names, there, mentions);
    for (size_t i = 0; i < FIELDS; i++) {
        if (there[i] < 2 || there[i] <= mentions[i])
            continue;
        am_buf_cstr(&out, out.n ? ", " : "");
        am_buf_cstr(&out, fields[i]);
    }
    if (out.failed)
        return (am_str){NULL, 0};
    return out.n ? am_buf_get(&out) : AM_STR("");
}
