// How is hnswlib called from outside C++? Compiled with -O3 -march=native, so that it uses its
// own AVX-512 kernels where the processor has them.

#include <cstddef>
#include <cstdint>
#include <memory>

#include <hnswlib/hnswlib.h>

namespace {
struct Rival {
    std::unique_ptr<hnswlib::SpaceInterface<float>> space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
};
}  // namespace

extern "C" {

void *rival_open(bool l2, size_t dim, size_t count_max, size_t m, size_t ef_construction) {
    auto rival = std::make_unique<Rival>();
    if (l2) {
        rival->space = std::make_unique<hnswlib::L2Space>(dim);
    } else {
        rival->space = std::make_unique<hnswlib::InnerProductSpace>(dim);
    }
    rival->graph = std::make_unique<hnswlib::HierarchicalNSW<float>>(
        rival->space.get(), count_max, m, ef_construction);
    return rival.release();
}

void rival_insert(void *handle, const float *vector, size_t label) {
    static_cast<Rival *>(handle)->graph->addPoint(vector, label);
}

// Writes at most k labels, in no particular order, and returns how many.
size_t rival_search(void *handle, const float *query, size_t k, size_t ef, uint32_t *labels) {
    auto &graph = *static_cast<Rival *>(handle)->graph;
    graph.setEf(ef);
    auto found = graph.searchKnn(query, k);
    size_t count = 0;
    for (; !found.empty(); found.pop()) {
        labels[count++] = static_cast<uint32_t>(found.top().second);
    }
    return count;
}

void rival_close(void *handle) { delete static_cast<Rival *>(handle); }
}
