/** The training worker: the same compiled step as the scripts, on onnxruntime-web. */
export {};
