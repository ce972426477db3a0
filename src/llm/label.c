/* llm/label.c -- see label.h. */
#include "llm/label.h"

#include "llm/quality.h"

static Status apply_quality(ItemInterests *item, Arena *scratch) {
    double *confidence = ARENA_NEW(scratch, double, item->n);
    bool *has_confidence = ARENA_NEW(scratch, bool, item->n);
    int *label = ARENA_NEW(scratch, int, item->n);
    for (int j = 0; j < item->n; j++) {
        confidence[j] = item->at[j].confidence;
        has_confidence[j] = item->at[j].has_confidence;
        label[j] = item->at[j].label;
    }
    item->has_quality = item->n > 0;
    return item->n > 0 ? item_quality(item->n, confidence, has_confidence, label, &item->quality) : OK;
}

Status label_apply(const Classifier *k, const FeatureCorpus *c, double threshold, int64_t N, ItemInterests *items) {
#pragma omp parallel
    {
        Arena *scratch = arena_create("apply");
#pragma omp for schedule(dynamic, 16)
        for (int64_t i = 0; i < N; i++)
            for (int j = 0; j < items[i].n; j++) {
                Interest *z = &items[i].at[j];
                double row[N_FEATURES];
                bool known[N_FEATURES];
                features_compute(c, i, z->text, j, z, scratch, row, known);
                z->score = classifier_score(k, row, known);
                z->label = z->score >= threshold;
                z->has_label = true;
            }
        arena_destroy(scratch);
    }
    Arena *scratch = arena_create("quality");
    Status status = OK;
    for (int64_t i = 0; i < N && status == OK; i++) {
        ArenaMark mark = arena_mark(scratch);
        status = apply_quality(&items[i], scratch);
        arena_release(scratch, mark);
    }
    arena_destroy(scratch);
    return status;
}

void label_accept_all(int64_t N, ItemInterests *items) {
    for (int64_t i = 0; i < N; i++) {
        for (int j = 0; j < items[i].n; j++) {
            items[i].at[j].score = 1;
            items[i].at[j].label = 1;
            items[i].at[j].has_label = true;
        }
        items[i].has_quality = items[i].n > 0;
        items[i].quality = items[i].n > 0;
    }
}
