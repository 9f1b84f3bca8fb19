/*
 * sealers: who is believed (arc.trusted-sealers), as one list.
 *
 * For: milter/conf.c, when everything else of the configuration is known. libauth/trust reads the
 * entries; files are read here. Waits: for files. Memory: the configuration's arena. Callers: one
 * thread at a time.
 */
#include "milter/sealers.h"
#include "milter/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OCTETS = 8 << 20 }; /* of a file */

static const char right[] = "wanted: example.org, or .example.org for all below it";

static bool is_file(const char *item)
{
    return am_str_istarts(am_str_of(item), "file:");
}

/* The list of the configuration's, or the system's, for what must not be a public suffix; NULL:
 * there is none, and single labels alone are refused. */
static am_psl *borrow_psl(const am_conf *c)
{
    bool wanted = false;
    for (unsigned i = 0; i < c->arc.trusted_sealers.n; i++) {
        const char *item = c->arc.trusted_sealers.item[i];
        wanted = wanted || item[0] == '.' || item[0] == '*' || is_file(item);
    }
    if (c->dmarc.psl || !wanted)
        return c->dmarc.psl;
    return am_psl_load(*c->dmarc.psl_file ? c->dmarc.psl_file : NULL, NULL);
}

/* What the file holds, freed by the caller; NULL: `why`. */
static char *slurp(const char *path, size_t *n, am_error *why)
{
    FILE *f = fopen(path, "re");
    char *text = f ? malloc(MAX_OCTETS) : NULL;
    errno = f && !text ? ENOMEM : errno;
    *n = text ? fread(text, 1, MAX_OCTETS, f) : 0;
    bool good = text && !ferror(f);
    am_error_set(why, "%s: %s", path, good ? "over 8 MiB" : strerror(errno));
    if (f)
        fclose(f);
    if (good && *n < MAX_OCTETS)
        return text;
    free(text);
    return NULL;
}

static bool read_file(
    am_arena *a, const am_psl *psl, const char *path, am_trust_list *out, am_error *why)
{
    am_error e;
    size_t n;
    char *text = am_access_plain(path, why) ? slurp(path, &n, why) : NULL;
    if (!text)
        return false;
    bool good = am_trust_list_parse(a, psl, am_str_n(text, n), out, &e);
    if (!good)
        am_error_set(why, "%s: %s; %s", path, e.text, right);
    free(text);
    return good;
}

static bool read_domain(
    am_arena *a, const am_psl *psl, const char *item, am_trust_list *out, am_error *why)
{
    am_error e;
    am_trust_entry *entry = am_arena_alloc(a, sizeof *entry);
    *out = (am_trust_list){entry, 1};
    am_error_set(&e, "out of memory");
    if (entry && am_trust_entry_parse(a, psl, am_str_of(item), entry, &e))
        return true;
    am_error_set(why, "\"%s\": %s; %s", item, e.text, right);
    return false;
}

/* Adds the second list to the first. False: no memory. */
static bool join(am_arena *a, am_trust_list *all, const am_trust_list *more, am_error *why)
{
    if (!more->n)
        return true;
    am_trust_entry *entry = am_arena_array(a, all->n + more->n, sizeof *entry);
    if (!entry) {
        am_error_set(why, "out of memory");
        return false;
    }
    if (all->n)
        memcpy(entry, all->entry, all->n * sizeof *entry);
    memcpy(entry + all->n, more->entry, more->n * sizeof *entry);
    *all = (am_trust_list){entry, all->n + more->n};
    return true;
}

bool am_sealers_load(am_conf *c, am_error *why)
{
    am_psl *psl = borrow_psl(c);
    bool good = true;
    c->arc.sealers = (am_trust_list){NULL, 0};
    for (unsigned i = 0; i < c->arc.trusted_sealers.n && good; i++) {
        const char *item = c->arc.trusted_sealers.item[i];
        am_trust_list some;
        good = is_file(item) ? read_file(c->arena, psl, item + sizeof "file:" - 1, &some, why)
                             : read_domain(c->arena, psl, item, &some, why);
        good = good && join(c->arena, &c->arc.sealers, &some, why);
    }
    if (psl != c->dmarc.psl)
        am_psl_free(psl);
    return good;
}
