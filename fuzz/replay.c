/*
 * replay: gives files to a fuzz target, one after the other.
 *
 * For: running the seeds without a fuzzing engine; the fuzzer's own main takes its place where
 * there is one. Usage: fuzz_NAME FILE-OR-FOLDER... Prints how many inputs there were. Waits: for
 * files. Memory: one input at a time, in a block of exactly its size.
 */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static unsigned inputs;

static bool replay_file(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &st) != 0 || st.st_size > 16 << 20) {
        perror(path);
        if (f)
            fclose(f);
        return false;
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size ? size : 1);
    bool good = data && fread(data, 1, size, f) == size;
    fclose(f);
    if (good) {
        fprintf(stderr, "%s\n", path); /* the last one is the one that broke it */
        LLVMFuzzerTestOneInput(data, size);
        inputs++;
    }
    free(data);
    return good;
}

static bool replay_folder(const char *path)
{
    struct dirent **entry;
    int n = scandir(path, &entry, NULL, alphasort);
    bool good = n >= 0;
    for (int i = 0; i < n; i++) {
        char file[4096];
        int len = snprintf(file, sizeof file, "%s/%s", path, entry[i]->d_name);
        if (entry[i]->d_name[0] != '.')
            good = len > 0 && (size_t)len < sizeof file && replay_file(file) && good;
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
    return good;
}

int main(int argc, char **argv)
{
    bool good = true;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);
        good = (folder ? replay_folder(argv[i]) : replay_file(argv[i])) && good;
    }
    printf("%u inputs\n", inputs);
    return good && inputs ? 0 : 1;
}
