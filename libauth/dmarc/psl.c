/*
 * psl: the Public Suffix List, for those who want RFC 7489's Organizational Domains.
 *
 * RFC 7489 3.2. Waits: never, once loaded. Memory: am_psl_load's caller owns
 * the list; it never changes, so that threads may share it. Callers:
 * discover.c; programs load and free. The only file that includes libpsl.
 */
#include "libauth/dmarc/dmarc.h"

#include <libpsl.h>
#include <stdlib.h>

struct am_psl {
    psl_ctx_t *list;
};

am_psl *am_psl_load(const char *file, am_error *why)
{
    am_psl *p = calloc(1, sizeof *p);
    if (!p) {
        am_error_set(why, "out of memory");
        return NULL;
    }
    p->list = file ? psl_load_file(file) : psl_latest(NULL);
    if (p->list && psl_suffix_count(p->list) != 0) /* a DAFSA does not tell: -1 */
        return p;
    if (file)
        am_error_set(why, "%s: no public suffix list; the package publicsuffix has one", file);
    else
        am_error_set(why, "no public suffix list on this system; install the package publicsuffix");
    am_psl_free(p);
    return NULL;
}

void am_psl_free(am_psl *p)
{
    if (!p)
        return;
    psl_free(p->list);
    free(p);
}

bool am_psl_org_domain(const am_psl *p, am_arena *a, am_str domain, am_str *org)
{
    char *c = domain.n ? am_arena_copy(a, domain.p, domain.n) : NULL;
    const char *registrable = c ? psl_registrable_domain(p->list, c) : NULL;
    if (!registrable)
        return false;
    *org = am_str_cut(domain, (size_t)(registrable - c), domain.n);
    return true;
}
