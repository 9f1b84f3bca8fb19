/*
 * fuzz_play: what a milter may answer to `authmill try`.
 *
 * Holds: no answer breaks the player; what it reports is a verdict, and prints as JSON. Input: the
 * octets that the milter sends.
 */
#include "fuzz/fuzz.h"
#include "tools/milterplay.h"
#include "tools/outcome.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static void look(am_arena *a, const am_eml *eml, const am_play_result *r)
{
    FUZZ_NEED(r->verdict == AM_MILTER_ACCEPT || r->verdict == AM_MILTER_REJECT ||
              r->verdict == AM_MILTER_TEMPFAIL || r->verdict == AM_MILTER_DISCARD);
    for (size_t i = 0; i < r->n; i++) {
        fuzz_read(r->edit[i].name);
        fuzz_read(r->edit[i].value);
    }
    fuzz_read(r->reply);
    fuzz_read(r->quarantine);
    json_t *j = am_outcome_json(r);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    FUZZ_NEED(text);
    free(text);
    json_decref(j);
    FILE *f = fopen("/dev/null", "w");
    FUZZ_NEED(!f || am_outcome_text(f, a, &eml->header, r, true));
    if (f)
        fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "From: joe@example.org\r\nSubject: x\r\n\r\nbody\r\n";
    am_str in = am_str_n(data, size);
    am_arena *a = am_arena_new(64 << 20);
    am_eml eml;
    am_error why = {""};
    am_play_result r;
    int pair[2];
    struct timespec now;
    if (am_eml_parse(a, am_str_of(text), &eml, NULL) != EX_OK ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        abort();
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    if (in.n && write(pair[1], in.p, in.n < 100000 ? in.n : 100000) >= 0)
        shutdown(pair[1], SHUT_WR);
    clock_gettime(CLOCK_MONOTONIC, &now);
    am_wire w = {.fd = pair[0],
        .wait_ms = 100,
        .last = now.tv_sec * 1000LL + now.tv_nsec / 1000000 + 2000,
        .error = &why};
    am_play_envelope e = {
        .ip = {4, {192, 0, 2, 1}}, .helo = "h", .auth = "joe", .mail_from = "joe@example.org"};
    if (in.n && am_play(&w, a, &e, &eml, &r))
        look(a, &eml, &r);
    else
        FUZZ_NEED(!in.n || *why.text);
    close(pair[0]);
    close(pair[1]);
    am_arena_free(a);
    return 0;
}
