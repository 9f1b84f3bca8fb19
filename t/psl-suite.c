/* The Public Suffix List's own tests ($AUTHMILL_CONFORMANCE/psl/tests.txt) with the
 * system's list. Lines "INPUT EXPECTED"; "null" is no domain. Prints TAP. */
#include "libauth/base/domain.h"
#include "libauth/dmarc/dmarc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int skip(const char *why)
{
    printf("1..0 # SKIP %s\n", why);
    return 0;
}

/* As the house keeps it: normalised, and absent where it is no domain. */
static am_str domain_of(am_arena *a, const char *word)
{
    am_str d = {NULL, 0};
    if (strcmp(word, "null") != 0 && !am_domain_normalise(a, am_str_of(word), &d))
        d = (am_str){NULL, 0};
    return d;
}

static int run(FILE *f, const am_psl *psl)
{
    char line[1024], input[512], expected[512];
    int n = 0, bad = 0;
    am_arena *a = am_arena_new(0);
    while (a && fgets(line, sizeof line, f)) {
        if (line[0] == '/' || sscanf(line, "%511s %511s", input, expected) != 2)
            continue;
        am_str org, in = domain_of(a, input), want = domain_of(a, expected);
        if (!in.n || !am_psl_org_domain(psl, a, in, &org))
            org = (am_str){NULL, 0};
        bool ok = am_str_eq(org, want) && (want.n || strcmp(expected, "null") == 0);
        printf("%sok %d - %s\n", ok ? "" : "not ", ++n, input);
        if (!ok)
            printf("# got \"%.*s\", want \"%.*s\"\n", AM_ARG(org), AM_ARG(want));
        bad += !ok;
    }
    am_arena_free(a);
    printf("1..%d\n", n);
    if (n < 70)
        printf("Bail out! only %d cases read\n", n);
    return bad || n < 70;
}

int main(void)
{
    const char *dir = getenv("AUTHMILL_CONFORMANCE");
    char path[4096];
    am_error why = {""};
    if (!dir)
        return skip("AUTHMILL_CONFORMANCE is not set");
    snprintf(path, sizeof path, "%s/psl/tests.txt", dir);
    FILE *f = fopen(path, "r");
    if (!f)
        return skip("no psl/tests.txt in AUTHMILL_CONFORMANCE");
    am_psl *psl = am_psl_load(NULL, &why);
    int rc = psl ? run(f, psl) : skip(why.text);
    am_psl_free(psl);
    fclose(f);
    return rc;
}
