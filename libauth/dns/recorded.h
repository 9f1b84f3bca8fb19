/* Answers that were given before. Room dns only. */
#ifndef AM_DNS_RECORDED_H
#define AM_DNS_RECORDED_H

#include "libauth/dns/answer.h"
#include "libauth/dns/qkey.h"

typedef struct am_recorded am_recorded;

/* Copies the list; names that cannot be asked for are passed over, of two answers to one question
 * the first counts. `missing` becomes the reason for everything else. NULL: out of memory. */
am_recorded *am_recorded_new(
    const am_seed *seed, const am_dns_lookup *list, size_t n, const char *missing);
void am_recorded_free(am_recorded *r); /* NULL is fine; its reasons must not be in use any more */

/* A reference. NULL: out of memory. */
am_answer *am_recorded_answer(const am_recorded *r, const am_qkey *k);

#endif
