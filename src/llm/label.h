/* llm/label.h -- RLDI applied: every merged interest gets the classifier's verdict, every item its quality. */
#ifndef DIGR_LLM_LABEL_H
#define DIGR_LLM_LABEL_H

#include <stdint.h>

#include "llm/classifier.h"
#include "llm/features.h"
#include "llm/interests.h"

/* label_apply -- score, label and quality of every interest of every item. E_INPUT: quality undefined (see quality.h). */
Status label_apply(const Classifier *k, const FeatureCorpus *c, double threshold, int64_t N, ItemInterests *items);

/* label_accept_all -- the ablation without RLDI: score 1, label 1, quality 1 where an item has interests. */
void label_accept_all(int64_t N, ItemInterests *items);

#endif
