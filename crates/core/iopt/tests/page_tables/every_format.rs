//! The formats, by the options that change what is written.

/// Calls a macro with a list of `name = format;`.
macro_rules! every_format {
    ($with:ident) => {
        $with! {
            vtd_ss3 = dxgk_iopt::VtdSecondStage::LEVELS_3;
            vtd_ss4 = dxgk_iopt::VtdSecondStage::LEVELS_4;
            vtd_ss5 = dxgk_iopt::VtdSecondStage::LEVELS_5;
            vtd_ss4_without_large_pages = dxgk_iopt::VtdSecondStage::LEVELS_4.with_large_pages(0);
            vtd_ss4_tracking = dxgk_iopt::VtdSecondStage::LEVELS_4.with_tracking();
            vtd_fs4 = dxgk_iopt::VtdFirstStage::LEVELS_4;
            vtd_fs4_without_1g = dxgk_iopt::VtdFirstStage::LEVELS_4.without_1g();
            vtd_fs4_tracking = dxgk_iopt::VtdFirstStage::LEVELS_4.with_tracking();
            amdv1_3 = dxgk_iopt::AmdV1::MODE_3;
            amdv1_4 = dxgk_iopt::AmdV1::MODE_4;
            amdv1_5 = dxgk_iopt::AmdV1::MODE_5;
            amdv1_6 = dxgk_iopt::AmdV1::MODE_6;
            amdv1_4_tracking = dxgk_iopt::AmdV1::MODE_4.with_tracking();
            smmu_s1_4k = dxgk_iopt::SmmuStage1::new(dxgk_iopt::Granule::K4);
            smmu_s1_16k = dxgk_iopt::SmmuStage1::new(dxgk_iopt::Granule::K16);
            smmu_s1_64k = dxgk_iopt::SmmuStage1::new(dxgk_iopt::Granule::K64);
            smmu_s1_4k_without_contiguous =
                dxgk_iopt::SmmuStage1::new(dxgk_iopt::Granule::K4).without_contiguous();
            smmu_s1_16k_tracking = dxgk_iopt::SmmuStage1::new(dxgk_iopt::Granule::K16).with_tracking();
            smmu_s2_4k = dxgk_iopt::SmmuStage2::new(dxgk_iopt::Granule::K4);
            smmu_s2_16k = dxgk_iopt::SmmuStage2::new(dxgk_iopt::Granule::K16);
            smmu_s2_64k = dxgk_iopt::SmmuStage2::new(dxgk_iopt::Granule::K64);
            smmu_s2_4k_tracking = dxgk_iopt::SmmuStage2::new(dxgk_iopt::Granule::K4).with_tracking();
            smmu_s2_4k_without_blocks = dxgk_iopt::SmmuStage2::new(dxgk_iopt::Granule::K4).without_blocks();
            smmu_s2_4k_concatenated =
                dxgk_iopt::SmmuStage2::with_input_bits(dxgk_iopt::Granule::K4, 42, true);
            smmu_s2_16k_concatenated =
                dxgk_iopt::SmmuStage2::with_input_bits(dxgk_iopt::Granule::K16, 40, true);
            smmu_s2_64k_concatenated =
                dxgk_iopt::SmmuStage2::with_input_bits(dxgk_iopt::Granule::K64, 44, true);
        }
    };
}
