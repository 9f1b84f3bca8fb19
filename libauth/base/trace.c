/*
 * trace: the steps of one message, for --explain and the decision log.
 *
 * Waits: never. Memory: the arena of the message; when that is exhausted the
 * step is left out. Callers: the methods, one thread a message.
 */
#include "libauth/base/trace.h"

#include <stdio.h>

void am_trace_note(am_trace *t, const char *step, const char *rfc, am_str question, am_str answer)
{
    am_step *s = t ? am_arena_alloc(t->arena, sizeof *s) : NULL;
    if (!s)
        return;
    s->step = step;
    s->rfc = rfc;
    s->question = am_str_copy(t->arena, question);
    s->answer = am_str_copy(t->arena, answer);
    if (t->last)
        t->last->next = s;
    else
        t->first = s;
    t->last = s;
    t->n++;
}

void am_trace_notef(
    am_trace *t, const char *step, const char *rfc, am_str question, const char *fmt, ...)
{
    char text[512];
    if (!t)
        return;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0)
        n = 0;
    am_trace_note(t, step, rfc, question,
        am_str_n(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1));
}

void am_trace_result(am_trace *t, const char *step, const char *rfc, am_str question,
    am_result result, am_str reason)
{
    am_trace_notef(t, step, rfc, question, "%s%s%.*s", am_result_word(result), reason.n ? ": " : "",
        AM_ARG(reason));
}
