"""Stanford Online Products: image retrieval with cross-entropy alone, ResNet-50.

Paper: Boudiaf et al., A unifying mutual information view of metric learning, ECCV 2020 (arXiv 2003.08983).
Reference: FastReID's FastRetri, ImageNet weights; Recall@1, 10, 100 and 1000 in %:
    82.46  92.56  96.78  98.95; the paper's own code 81.1  91.7  96.3  98.8
Ours: not measured.
Data: ROOT/Stanford_Online_Products/{Ebay_train.txt,Ebay_test.txt}, or FastReID's train.txt and test.txt there.
Time: 100 epochs of 465 steps of 128 images at 224×224; a GPU is needed in practice.

    python -m keras_reid.fit experiments/sop_retrieval.py --data.root ROOT
"""

from keras_reid.data import StanfordOnlineProducts
from keras_reid.recipes import retrieval

experiment = retrieval("sop_retrieval", StanfordOnlineProducts())
