"""The engines that could run the network, side by side: `make benchmark-engines`.

For each backbone, engine and number of CPU threads: milliseconds of a pass an image at several
batch sizes, seconds to load, and memory, each engine in a process of its own. Batches are
ready-made: no decoding. PyTorch and ONNX Runtime also get them normalised, which OpenVINO does
itself, in its graph.

    torch         eager (with all threads only); channels-last in memory; that with bf16 autocast
    torch.compile Inductor, float32, frozen, with all threads only: it takes long to compile, anew
                  in every process and again for some batch sizes. load_s has the first time
    AOTInductor   the same compiled ahead, for any batch size, into a package that is loaded
    onnxruntime   float32 as exported by PyTorch; int8 by its own static quantisation (QDQ, each
                  channel with its own scale)
    openvino      serving.network in float32, bf16 and the int8 of serving.layers (uncalibrated);
                  int8 by NNCF's post-training quantisation of the same graph

"Lanes" is as many passes at a time as there are threads, one thread each, which is how serving runs
under load; the others give all threads to one pass. The tools' int8 models are calibrated on
validation photos, with the settings that their tools recommend for CPUs like this.

Every engine loads a file that was made before (`made` in the results: how long that took). load_s
leaves out the import of torch and of openvino, which every process here has; it counts what an
engine imports beyond, and what PyTorch's compiler does anew in an empty cache. memory_mb leaves
out the C++ compiler's.

For the backbone whose weights are at hand (efficientnet_lite0), also what the answers lose: the
starter model's first labels on the test photos against PyTorch's in float32, and how many are
right. Photos: DOGS_DATA (default ../shared/dogs beside the repository); without them, speed only.
ResNet50 has random weights, which do not change its speed; the tools' int8 is calibrated on noise.

Left out: lanes for PyTorch, whose threads belong to the whole process, and for ONNX Runtime in
float32; one thread for torch and torch.compile, to keep a round at about eight minutes; bf16 in
Inductor and ONNX Runtime; quantisation-aware training. torch.compile needs a C++ compiler in the
endpoint's container, AOTInductor where the package is made.
Writes engines.json.
"""
